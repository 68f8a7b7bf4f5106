"""What a relay said that it can do, from its EHLO reply (RFC 5321 §4.1.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from hourpost.gateways.relays.replies import Reply


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The extensions that we use; ``size_bytes`` is ``None`` where no limit was named.

    ENHANCEDSTATUSCODES is not listed: a code at the head of a reply is read whether it was announced or not.
    """

    pipelining: bool = False
    size: bool = False
    size_bytes: int | None = None
    eight_bit_mime: bool = False
    smtputf8: bool = False
    dsn: bool = False
    starttls: bool = False
    auth: frozenset[str] = frozenset()


def parse_capabilities(reply: Reply) -> Capabilities:
    """Reads the lines after the greeting; unknown and malformed ones are skipped."""
    words: dict[str, list[str]] = {}
    for line in reply.lines[1:]:
        # "AUTH=LOGIN PLAIN" is what old servers wrote for clients older still.
        keyword, *parameters = line.decode("ascii", "replace").upper().replace("AUTH=", "AUTH ").split() or [""]
        words.setdefault(keyword, []).extend(parameters)
    return Capabilities(
        pipelining="PIPELINING" in words,
        size="SIZE" in words,
        size_bytes=_size(words.get("SIZE", [])),
        eight_bit_mime="8BITMIME" in words,
        smtputf8="SMTPUTF8" in words,
        dsn="DSN" in words,
        starttls="STARTTLS" in words,
        auth=frozenset(words.get("AUTH", [])),
    )


def _size(parameters: list[str]) -> int | None:
    """The limit in bytes; 0 and a missing number mean that none is known (RFC 1870 §4)."""
    if parameters and parameters[0].isascii() and parameters[0].isdigit() and len(parameters[0]) <= 20:
        return int(parameters[0]) or None
    return None
