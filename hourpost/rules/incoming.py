"""A message that comes in from outside: what is read of its header, and what is written on top of it.

Nothing of it is refused for its form, apart from what could be read in two ways on the wire.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from hourpost.rules.addresses import Address, AddressError, normalise_domain, parse_address, refuse_doubtful_names
from hourpost.rules.authentication import is_of_server
from hourpost.rules.header_text import decode_words, make_safe
from hourpost.rules.line_ends import ContentError, require_line_ends
from hourpost.rules.mime import format_date

MAX_RECEIVED = 50
MAX_HEADER_BYTES = 256 * 1024
_MAX_REFERENCES = 50
_MAX_FROM = 10

_PLAIN_COMMENT = re.compile(r" \([A-Za-z ]{1,60}\)$")  # as Postfix has it: mailer-daemon@host (Mail Delivery System)
_FIELD = re.compile(rb"(?m)^([!-9;-~]++)[ \t]*+:([^\r\n]*+(?:\r\n[ \t][^\r\n]*+)*+)(?:\r\n|\Z)")
_MESSAGE_ID = re.compile(r"<[^<>\s\"]{1,250}@[^<>\s]{1,250}>")
_ONE_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_ADDRESS_DOMAIN = re.compile(r"@\s*([^\s<>@\"(),:;\[\]]{1,255})")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"|\([^()]*+\)')
_SAY_AUTOMATIC = (b"auto-submitted", b"x-autoreply", b"x-auto-reply", b"x-autorespond", b"x-autoresponder")
_SAY_NO = frozenset({"", "no", "none", "false", "0"})
_COMMENT = re.compile(r"\([^()]*+\)")
_FOLD = re.compile(r"\r\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class IncomingHeader:
    """What the header of an incoming message says. Message-IDs keep their angle brackets."""

    fields: tuple[tuple[bytes, bytes], ...]  # name in lower case, value as it stands
    from_text: str
    from_domains: tuple[str, ...]
    subject: str
    message_id: str
    references: tuple[str, ...]  # In-Reply-To and References, the nearest first
    content_type: str
    is_automatic: bool  # RFC 3834: nobody wrote it, so it answers nobody, and nobody answers it

    def find(self, name: bytes) -> bytes | None:
        """The first field of this name (lower case)."""
        return next((value for known, value in self.fields if known == name), None)

    def find_author(self) -> Address | None:
        """The only address of the only From; None where others may read another one there.

        It is read as it stands: what encoded words hold is a name, whatever it looks like (RFC 2047 §6.2).
        """
        froms = [value for name, value in self.fields if name == b"from"]
        if len(froms) != 1:
            return None
        text = _PLAIN_COMMENT.sub("", _to_text(froms[0]).strip())
        try:
            author = parse_address(text)
            refuse_doubtful_names(text)
        except AddressError:
            return None
        return author


def read_incoming(raw: bytes) -> IncomingHeader:
    """Read the header of a message as it came after DATA.

    Raises:
        ContentError: A bare CR or LF or a NUL (5.6.0), a header of over 256 KiB (5.3.4), or a loop (5.4.6).
    """
    require_line_ends(raw)
    end = header_end(raw)
    if end > MAX_HEADER_BYTES:
        raise ContentError(f"the headers are longer than {MAX_HEADER_BYTES} bytes", code=552, enhanced="5.3.4")
    fields = tuple((match[1].lower(), match[2]) for match in _FIELD.finditer(raw, 0, end))
    if sum(name == b"received" for name, _ in fields) > MAX_RECEIVED:
        raise ContentError(f"more than {MAX_RECEIVED} Received headers: the message runs in a loop", enhanced="5.4.6")
    texts: dict[bytes, list[str]] = {}
    for name, value in fields:
        texts.setdefault(name, []).append(_to_text(value))
    return _read(fields, texts)


def header_end(raw: bytes) -> int:
    """Where the header ends: behind the CRLF of its last field."""
    if raw.startswith(b"\r\n"):
        return 0
    end = raw.find(b"\r\n\r\n")
    return len(raw) if end < 0 else end + 2


def below_trace(raw: bytes, header: IncomingHeader) -> bytes:
    """The message as it may stand below header fields of ours: behind an empty line where it has none of its own."""
    return raw if header.fields or raw.startswith(b"\r\n") else b"\r\n" + raw


def without_forged_results(raw: bytes, header: IncomingHeader, hostname: str) -> bytes:
    """The message without ``Authentication-Results`` that claim to be ours (RFC 8601 §5)."""
    if not any(name == b"authentication-results" and is_of_server(value, hostname) for name, value in header.fields):
        return raw
    end = header_end(raw)

    def keep(match: re.Match[bytes]) -> bytes:
        is_forged = match[1].lower() == b"authentication-results" and is_of_server(match[2], hostname)
        return b"" if is_forged else match[0]

    return _FIELD.sub(keep, raw[:end]) + raw[end:]


@dataclass(frozen=True, slots=True)
class Hop:
    """The session in which a message came."""

    client_name: str  # what it said after EHLO
    client_address: str
    protocol: str  # SMTP, ESMTP, ESMTPS … (RFC 3848)


def write_trace(hop: Hop, hostname: str, message_id: str, sender: str, at: datetime, recipient: str = "") -> bytes:
    """``Return-Path`` and ``Received`` (RFC 5321 §4.4); the recipient is named only where there is just one."""
    name = make_safe(hop.client_name).encode("ascii", "replace").decode("ascii").replace("(", "?").replace(")", "?")
    address = f"IPv6:{hop.client_address}" if ":" in hop.client_address else hop.client_address
    lines = [
        f"Return-Path: <{sender}>\r\n",
        f"Received: from {name} ([{address}])\r\n",
        f"\tby {hostname} with {hop.protocol} id {message_id}",
        f"\r\n\tfor <{recipient}>" if recipient else "",
        f";\r\n\t{format_date(at)}\r\n",
    ]
    return "".join(lines).encode()


def write_own_trace(hostname: str, message_id: str, sender: str, at: datetime) -> bytes:
    """The same for a message of ours that goes into a mailbox of ours."""
    return f"Return-Path: <{sender}>\r\nReceived: by {hostname} id {message_id};\r\n\t{format_date(at)}\r\n".encode()


def _read(fields: tuple[tuple[bytes, bytes], ...], texts: dict[bytes, list[str]]) -> IncomingHeader:
    froms = texts.get(b"from", [])
    answered = _MESSAGE_ID.findall(" ".join(texts.get(b"in-reply-to", ())))
    nearest = [*answered, *reversed(_MESSAGE_ID.findall(" ".join(texts.get(b"references", ()))))]
    own = _MESSAGE_ID.search(" ".join(texts.get(b"message-id", [])))
    return IncomingHeader(
        fields=fields,
        from_text=make_safe(decode_words(froms[0].strip())) if froms else "",
        from_domains=_read_domains(froms),
        subject=make_safe(decode_words(texts.get(b"subject", [""])[0].strip())),
        message_id=own[0] if own else "",
        references=tuple(dict.fromkeys(nearest))[:_MAX_REFERENCES],
        content_type=texts.get(b"content-type", [""])[0].strip(),
        is_automatic=_is_automatic(texts),
    )


def _is_automatic(texts: dict[bytes, list[str]]) -> bool:
    """By RFC 3834, by the fields of older programs for the same, or as a report (read receipts: RFC 8098)."""
    if any(_first_word(texts[name][0]) not in _SAY_NO for name in _SAY_AUTOMATIC if name in texts):
        return True
    precedence = _first_word(texts.get(b"precedence", [""])[0])  # bulk alone is also what people write through a list
    if precedence == "auto_reply" or (precedence in ("bulk", "junk") and b"x-auto-response-suppress" in texts):
        return True
    return texts.get(b"content-type", [""])[0].strip().lower().startswith("multipart/report")


def _first_word(text: str) -> str:
    """In lower case, without comments and parameters."""
    return _COMMENT.sub(" ", text).partition(";")[0].strip().lower()


def _read_domains(froms: list[str]) -> tuple[str, ...]:
    """The domains of the From addresses, in lower case and A-labels."""
    domains: dict[str, None] = {}
    for text in froms[:_MAX_FROM]:
        for domain in _ADDRESS_DOMAIN.findall(_QUOTED.sub(" ", text))[:_MAX_FROM]:
            name = domain.rstrip(".")
            try:
                domains[normalise_domain(name)] = None
            except AddressError:
                if _ONE_LABEL.fullmatch(name):  # root@localhost: a domain, of which nobody can publish anything
                    domains[name.lower()] = None
    return tuple(domains)


def _to_text(value: bytes) -> str:
    return _FOLD.sub("", value.decode("utf-8", "replace"))
