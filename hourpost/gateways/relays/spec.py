"""The relays that mail leaves through, as ``HOURPOST_RELAYS`` names them.

Errors never repeat the URL: a password that was not percent-encoded lands in any part of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class RelayUrlInvalid(ValueError):
    """A relay URL cannot be used; the message says why and shows no password."""


class TlsMode(StrEnum):
    """How a connection to a relay is protected."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


_DEFAULT_PORT = {TlsMode.STARTTLS: 587, TlsMode.IMPLICIT: 465, TlsMode.NONE: 25}


@dataclass(frozen=True, slots=True)
class RelaySpec:
    """One upstream relay: where it is, how we log in, and how much of the traffic it takes.

    ``weight`` is relative to the other relays; ``connections`` the most we hold open at once; ``ca`` a PEM file that
    replaces the system's trust store for this relay; ``overlap`` whether the next message's envelope may be written
    right behind a final dot (RFC 2920 §3.1).
    """

    host: str
    port: int
    tls: TlsMode = TlsMode.STARTTLS
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    weight: int = 1
    connections: int = 20
    ca: Path | None = None
    overlap: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            host = f"[{self.host}]" if ":" in self.host else self.host
            object.__setattr__(self, "name", f"{host}:{self.port}")


def parse_relays(text: str) -> tuple[RelaySpec, ...]:
    """Parses space-separated relay URLs; relays at the same address get distinct names.

    Raises: RelayUrlInvalid, for the first URL that cannot be used.
    """
    specs = [parse_relay(url, position=number) for number, url in enumerate(text.split(), start=1)]
    return tuple(_with_distinct_names(specs))


def parse_relay(url: str, *, position: int = 1) -> RelaySpec:
    """Parses ``smtp://user:pass@host:port?tls=starttls&weight=2&connections=20&ca=/path.pem`` or ``smtps://…``.

    Raises: RelayUrlInvalid.
    """
    place = f"relay {position}"
    parts = _split(url, place)
    options = _options(parts.query, place)
    tls = _tls_mode(parts.scheme, options, place)
    username, password = _login(parts, place)
    return RelaySpec(
        host=parts.hostname or "",
        port=parts.port or _DEFAULT_PORT[tls],
        tls=tls,
        username=username,
        password=password,
        weight=_number(options, "weight", 1, 1_000, place),
        connections=_number(options, "connections", 20, 2_000, place),
        ca=_ca(options, tls, place),
        overlap=_yes_or_no(options, "overlap", place),
    )


def _split(url: str, place: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise RelayUrlInvalid(
            f"{place}: the address cannot be read; a space or / ? # @ : % in a password must be percent-encoded"
        ) from None
    if parts.scheme not in ("smtp", "smtps"):
        spaces = "" if place == "relay 1" else "; spaces stand between relays: write one in a password as %20"
        raise RelayUrlInvalid(f"{place}: the URL must begin with smtp:// or smtps://{spaces}")
    if parts.path not in ("", "/") or parts.fragment:
        raise RelayUrlInvalid(
            f"{place}: nothing may follow host and port but ?options; "
            "a password with / or # in it must be percent-encoded (%2F, %23)"
        )
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise RelayUrlInvalid(f"{place}: the host is missing or not a host name")
    return parts


_KNOWN_OPTIONS = ("tls", "weight", "connections", "ca", "overlap")


def _options(query: str, place: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    for name in options:
        if name not in _KNOWN_OPTIONS:
            shown = name if name.isidentifier() and len(name) < 20 else "one of the options"
            raise RelayUrlInvalid(f"{place}: {shown} is unknown; known are {', '.join(_KNOWN_OPTIONS)}")
    if len(options) != len(pairs):
        raise RelayUrlInvalid(f"{place}: an option is given twice")
    return options


def _tls_mode(scheme: str, options: dict[str, str], place: str) -> TlsMode:
    said = options.get("tls")
    if scheme == "smtps":
        if said not in (None, TlsMode.IMPLICIT.value):
            raise RelayUrlInvalid(f"{place}: smtps:// is TLS from the first byte, so tls={said} contradicts it")
        return TlsMode.IMPLICIT
    if said in (None, TlsMode.STARTTLS.value):
        return TlsMode.STARTTLS
    if said == TlsMode.NONE.value:
        return TlsMode.NONE
    raise RelayUrlInvalid(f"{place}: tls must be starttls or none (for TLS from the first byte write smtps://)")


def _login(parts: SplitResult, place: str) -> tuple[str | None, str | None]:
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if (username is None) != (password is None):
        raise RelayUrlInvalid(f"{place}: user name and password go together, as user:password@host")
    if _CONTROL.search(f"{username}{password}"):
        raise RelayUrlInvalid(f"{place}: user name and password must not contain control characters")
    return username, password


def _number(options: dict[str, str], name: str, default: int, most: int, place: str) -> int:
    text = options.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        raise RelayUrlInvalid(f"{place}: {name} must be a whole number from 1 to {most}")
    return int(text)


def _yes_or_no(options: dict[str, str], name: str, place: str) -> bool:
    text = options.get(name, "yes")
    if text not in ("yes", "no"):
        raise RelayUrlInvalid(f"{place}: {name} must be yes or no")
    return text == "yes"


def _ca(options: dict[str, str], tls: TlsMode, place: str) -> Path | None:
    if "ca" not in options:
        return None
    if tls is TlsMode.NONE:
        raise RelayUrlInvalid(f"{place}: ca= means nothing with tls=none")
    path = Path(options["ca"])
    if not path.is_file():
        raise RelayUrlInvalid(f"{place}: the file of ca= does not exist: {path}")
    return path


def _with_distinct_names(specs: Sequence[RelaySpec]) -> list[RelaySpec]:
    seen: dict[str, int] = {}
    named = []
    for spec in specs:
        seen[spec.name] = seen.get(spec.name, 0) + 1
        count = seen[spec.name]
        named.append(spec if count == 1 else replace(spec, name=f"{spec.name}#{count}"))
    return named
