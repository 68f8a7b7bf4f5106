"""What of HOURPOST_DATABASE_URL cannot work, told before anything connects.

No line repeats what was given: a password that was not percent-encoded lands in any part of it.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from hourpost.database import SCHEMES
from hourpost.settings import Settings

_NAME = "HOURPOST_DATABASE_URL"
_LOOKS = "must look like postgresql://user:password@host:5432/database"
_ESCAPE = "a space or / ? # @ : % & [ ] in a password must be percent-encoded"
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]|/[^\x00-\x1f\x7f]{0,200}")
_MOST_PORT = 65_535


class _Invalid(ValueError):
    """Why the address cannot be used, without a word of what it says."""


def of_database(settings: Settings) -> Iterator[str]:
    """Of the address of PostgreSQL, where there is one: the first thing that is wrong with it."""
    if settings.database_url is None:
        return
    try:
        _check(settings.database_url.get_secret_value())
    except _Invalid as fault:
        yield f"{_NAME} {fault}"


def _check(url: str) -> None:
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in SCHEMES:
        raise _Invalid(_LOOKS)
    try:
        parts = urlsplit(f"postgresql://{rest}")
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _Invalid(f"cannot be read; {_ESCAPE}") from None
    if _is_cut_in_two(parts):
        raise _Invalid(f"cannot be read; {_ESCAPE}")
    given = dict(pairs)
    _check_names(given)
    _check_hosts(parts.netloc.rpartition("@")[2] or given.get("host", ""))
    _check_ports(given.get("port", ""))
    for name, value in given.items():
        if value:
            _PARAMETERS[name](name, value)


def _is_cut_in_two(parts: SplitResult) -> bool:
    """Whether a password has something in it that ends what it stands in."""
    behind = parts.path[1:] + parts.query
    return bool(parts.fragment) or parts.netloc.count("@") > 1 or "@" in behind or "/" in parts.path[1:]


def _check_names(given: Mapping[str, str]) -> None:
    if "ssl" in given:
        raise _Invalid("has the parameter ssl, which nothing here reads; sslmode=require asks for TLS")
    for name in given:
        if name not in _PARAMETERS:
            shown = name if name in _OF_OTHERS else "one of its parameters"
            raise _Invalid(f"cannot be used: {shown} is unknown; known are {', '.join(_PARAMETERS)}")


def _check_hosts(text: str) -> None:
    """Of ``host:port``, several with commas between; a folder of sockets has no port."""
    for one in text.split(",") if text else ():
        host, mark, port = one, "", ""
        if not one.startswith(("/", "[")) or "]:" in one:
            host, mark, port = one.rpartition(":") if ":" in one else (one, "", "")
        if mark and port:
            _check_ports(port)
        if host and not _HOST.fullmatch(unquote(host)):  # without one it is the machine's own
            raise _Invalid(f"cannot be used: the host is missing or not a host name; {_ESCAPE}")


def _check_ports(text: str) -> None:
    for one in text.split(",") if text else ():
        if not (one.isascii() and one.isdigit() and len(one) < 6 and 1 <= int(one) <= _MOST_PORT):
            raise _Invalid(f"cannot be used: a port is a whole number from 1 to {_MOST_PORT}; {_ESCAPE}")


def _free(_name: str, _value: str) -> None:
    """Whatever it says, the server is to judge."""


def _one_of(*words: str) -> Callable[[str, str], None]:
    def check(name: str, value: str) -> None:
        if value not in words:
            raise _Invalid(f"cannot be used: {name} must be one of {', '.join(words)}")

    return check


def _is_file(name: str, value: str) -> None:
    if not os.path.isfile(value):  # Path.is_file raises where the folder may not be entered
        raise _Invalid(f"cannot be used: the file of {name} is not there, or its folder is closed to us: {value}")


def _holds_certificates(name: str, value: str) -> None:
    _is_file(name, value)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
    except OSError:  # ssl.SSLError is one
        raise _Invalid(f"cannot be used: the file of {name} cannot be read as certificates: {value}") from None


_VERSIONS = _one_of("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_PARAMETERS: Mapping[str, Callable[[str, str], None]] = {
    "sslmode": _one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslrootcert": _holds_certificates,
    "sslcert": _is_file,
    "sslkey": _is_file,
    "sslpassword": _free,
    "sslcrl": _is_file,
    "sslnegotiation": _one_of("postgres", "direct"),
    "ssl_min_protocol_version": _VERSIONS,
    "ssl_max_protocol_version": _VERSIONS,
    "host": _free,
    "port": _free,
    "dbname": _free,
    "database": _free,
    "user": _free,
    "password": _free,
    "passfile": _free,
    "service": _free,
    "target_session_attrs": _one_of("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
    "krbsrvname": _free,
    "gsslib": _one_of("gssapi", "sspi"),
    "application_name": _free,
    "options": _free,
}
_OF_OTHERS = frozenset(
    (
        *("channel_binding", "client_encoding", "connect_timeout", "connection_limit", "gssencmode", "hostaddr"),
        *("keepalives", "pool_timeout", "prepared_statement_cache_size", "require_auth", "schema", "sslcompression"),
    )
)
"""What other programs read there; another name may be a piece of a password."""
