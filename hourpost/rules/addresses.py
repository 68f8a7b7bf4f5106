"""Email addresses: one strict parser, the same for authorisation and for sending (RFC 5321, 5322, 6531)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import pairwise

import idna

from hourpost.rules.header_text import decode_words, encode_words, find_unsafe

MAX_LOCAL_BYTES = 64
MAX_ADDRESS_BYTES = 254
MAX_DOMAIN_BYTES = 253
MAX_TEXT = 1000
MAX_LISTED = 1000

# RFC 5322 atext without "%" and "!", which some relays take for a route
_ATOM = r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]++"
_DOT_ATOM = rf"{_ATOM}(?>(?:\.{_ATOM})*)"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN_NAME = rf"(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?"
_PLAIN = re.compile(rf"(?=[^@]{{1,64}}@)({_DOT_ATOM})@({_DOMAIN_NAME})")
_DOMAIN = re.compile(_DOMAIN_NAME)
_LOCAL = re.compile(_DOT_ATOM)
_LOCAL_INTERNATIONAL = re.compile(r"[^\x00-\x20\x22%(),:;<>@\[\\\]!.]++(?>(?:\.[^\x00-\x20\x22%(),:;<>@\[\\\]!.]++)*)")
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_QUOTED_STRING = re.compile(_QUOTED)
_QUOTED_PAIR = re.compile(r"\\(.)")
_NAMED = re.compile(rf'((?>(?:{_QUOTED}|[^"<>,;]++)*))<((?>(?:{_QUOTED}|[^"<>]++)*))>')
_LIST_ITEM = re.compile(rf'(?>(?:{_QUOTED}|<[^<>]*+>|[^",<>]++)+)')
# As cron and old Unix programs write it; no reader can take what is in such a comment for an address
_COMMENTED = re.compile(r"([^\s\x22(),:;<>@\\]++@[^\s\x22(),:;<>@\\]++) +\(([^\x22(),:;<>@\\]*+)\)")
_PATH = re.compile(rf'(<(?>(?:{_QUOTED}|[^"<>]++)*)>)(?: +(.*))?')
# What servers write, too: two dots, % and !, hosts without a dot or with an underscore, address literals, routes
_LENIENT_PATH = re.compile(
    rf'<(?:@[^<>:\s"]+:)?({_QUOTED}|[!#-\'*+\x2d-9=?A-Z^-~]+)@([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Za-z:.]+\])>'
)
_SPECIALS = re.compile(r'[",;<>@\\]')
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


class AddressError(ValueError):
    """The text is not an address that we send from or to; the message says why, in words for people."""


class _DomainError(AddressError):
    """The part after the @ is not the name of a domain."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: the name people see, the local part in its wire form, and the domain as lower-case A-labels."""

    display_name: str
    local: str
    domain: str

    @property
    def spec(self) -> str:
        """``local@domain``, as an SMTP path and a header write it."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 (RFC 6531) can carry this address."""
        return not self.local.isascii()

    @property
    def text(self) -> str:
        """``Name <local@domain>`` for people and for ``parse_address``: not encoded."""
        name = self.display_name
        return write_person(name, self.spec) if name else self.spec

    @property
    def header(self) -> str:
        """The form for a header (RFC 5322, RFC 2047), which may be folded at any space.

        Raises:
            AddressError: A part holds a character that could end the line.
        """
        name = self.display_name
        spec = self.spec
        if not name:
            text = spec
        elif name.isascii() and len(name) <= 60 and "=?" not in name:
            text = f"{name if _is_phrase(name) else _quote(name)} <{spec}>"
        else:
            _refuse_unsafe(name)
            text = f"{' '.join(encode_words(name))} <{spec}>"
        if not text.isprintable() or "=?" in spec:
            _refuse_unsafe(text)
        return text


def write_person(name: str, spec: str) -> str:
    """``Name <spec>``, the name in quotes where it could be taken for more than a name."""
    return f"{_quote(name) if _SPECIALS.search(name) else name} <{spec}>"


def parse_address(text: str) -> Address:
    """Parse ``a@b``, ``Name <a@b>`` or ``"Quoted, Name" <a@b>``.

    Raises:
        AddressError: It is none of these, or a form that we refuse on purpose: routes by ``%``, ``!`` or
            ``@a,@b:``, address literals, comments, control characters (also in encoded words), over-long parts.
    """
    match = _PLAIN.fullmatch(text)
    if match is None or len(text) > MAX_ADDRESS_BYTES or "=?" in text:
        return _parse_mailbox(text)
    local, domain = match.groups()
    return Address("", local, domain.lower())


def parse_address_list(text: str) -> tuple[Address, ...]:
    """Parse what a From or To header holds: addresses with commas between them, no groups, at least one.

    A name may also stand behind its address, as in ``a@b (Name)``.

    Raises:
        AddressError: One of them is not an address.
    """
    if "," not in text:
        return (_parse_listed(text),)
    addresses: list[Address] = []
    at = 0
    while at <= len(text):
        item = _LIST_ITEM.match(text, at)
        if item is None or len(addresses) == MAX_LISTED:
            raise AddressError(f"{_shown(text)} is not a list of email addresses")
        addresses.append(_parse_listed(item[0]))
        at = item.end() + 1
    return tuple(addresses)


def refuse_doubtful_names(text: str) -> None:
    """Look once more at a list that has been parsed, and that others will read as it is written.

    An @ or a backslash outside of quotes is part of no name (RFC 5322 §3.2.5): some readers take it for the address,
    or for the end of it. A name that is the address itself is the same to all.

    Raises:
        AddressError: A name has one.
    """
    pieces = _QUOTED_STRING.sub('""', text).split("<")
    for before, behind in pairwise(pieces):
        name = before.rpartition(">")[2].rpartition(",")[2].strip(" ")
        is_itself = name.lower() == behind.partition(">")[0].strip(" ").lower()
        if "\\" in name or ("@" in name and not is_itself):
            raise AddressError(f"{_shown(text)} has an @ or a backslash in a name; put the name in double quotes")


def _parse_listed(text: str) -> Address:
    commented = _COMMENTED.fullmatch(text.strip(" ")) if ")" in text[-3:] else None
    if commented is None or len(text) > MAX_TEXT:
        return parse_address(text)
    _refuse_unsafe(text)
    return replace(parse_address(commented[1]), display_name=decode_words(commented[2]).strip(" "))


def parse_path(text: str) -> Address | None:
    """Parse the path of MAIL FROM or RCPT TO: ``<a@b>``, or ``<>`` for the null sender, which is None.

    Raises:
        AddressError: It is not a path, or an address that we refuse (see ``parse_address``).
    """
    if len(text) < 2 or text[0] != "<" or text[-1] != ">":
        raise AddressError(f"{_shown(text)} is not a path: write <name@domain>")
    if text == "<>":
        return None
    inner = text[1:-1]
    match = _PLAIN.fullmatch(inner)
    if match is None or len(inner) > MAX_ADDRESS_BYTES or "=?" in inner:
        _refuse_unsafe(inner)
        return _parse_spec(text, inner, "")
    local, domain = match.groups()
    return Address("", local, domain.lower())


def parse_sender(text: str) -> Address | None:
    """Parse the path of MAIL FROM as servers of others write it, which is only to be written down.

    A host may have no dot or be an address literal, a local part may be long and have odd marks; a route is left out
    (RFC 5321 appendix C).

    Raises:
        AddressError: It is no path, or could break out of a line.
    """
    try:
        return parse_path(text)
    except AddressError:
        match = _LENIENT_PATH.fullmatch(text)
        is_safe = text.isascii() and text.isprintable() and "=?" not in text
        if match is None or not is_safe or len(text) > MAX_ADDRESS_BYTES + 2:
            raise
        return Address("", match[1], match[2].lower())


def split_path(text: str) -> tuple[str, str]:
    """Split the argument of MAIL FROM: or RCPT TO: into the path and its ESMTP parameters (RFC 5321 §4.1.2).

    Raises:
        AddressError: It does not begin with a path in angle brackets.
    """
    match = _PATH.fullmatch(text.strip(" "))
    if match is None:
        raise AddressError(f"{_shown(text)} is not a path: write <name@domain>")
    return match[1], match[2] or ""


def normalise_domain(text: str) -> str:
    """The one form in which domains are compared and sent to: A-labels (RFC 5891) in lower case.

    Raises:
        AddressError: It is not the name of a domain with at least two labels.
    """
    if len(text) > MAX_DOMAIN_BYTES:
        raise _DomainError(f"{_shown(text)} is longer than the {MAX_DOMAIN_BYTES} characters of a domain name")
    name = text.lower() if text.isascii() else _to_a_labels(text)
    if len(name) > MAX_DOMAIN_BYTES or _DOMAIN.fullmatch(name) is None:
        raise _DomainError(f"{_shown(text)} is not a domain name such as mail.example.com")
    return name


def _to_a_labels(text: str) -> str:
    try:
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise _DomainError(f"{_shown(text)} is not a valid international domain name") from error


def _parse_mailbox(text: str) -> Address:
    if len(text) > MAX_TEXT:
        raise AddressError(f"{_shown(text)} is longer than {MAX_TEXT} characters")
    _refuse_unsafe(text)
    text = text.strip(" ")
    if "<" not in text and ">" not in text:
        return _parse_spec(text, text, "")
    match = _NAMED.fullmatch(text)
    if match is None:
        raise AddressError(f"{_shown(text)} is not one email address; put a name with , ; < or > in double quotes")
    name = _QUOTED_STRING.sub(lambda quoted: _unquote(quoted[0]), match[1])
    _refuse_unsafe(name)  # once more: without its backslashes it may hold another encoded word
    return _parse_spec(text, match[2].strip(" "), decode_words(name).strip(" "))


def _parse_spec(whole: str, spec: str, name: str) -> Address:
    if spec.startswith("@") and ":" in spec:
        raise AddressError(f"{_shown(whole)} has a source route, which is refused")
    local, at, domain = spec.rpartition("@")
    if not at or not local or not domain:
        missing = "no @" if not at else "nothing before the @" if not local else "no domain after the @"
        raise AddressError(f"{_shown(whole)} is not an email address: it has {missing}")
    if domain.startswith("["):
        raise AddressError(f"{_shown(whole)} has an address literal in place of a domain, which is refused")
    try:
        address = Address(name, _normalise_local(local, whole), normalise_domain(domain))
    except _DomainError as error:
        raise AddressError(f"{_shown(whole)} is not an email address: {error}") from error
    if len(address.spec.encode()) > MAX_ADDRESS_BYTES:
        raise AddressError(f"{_shown(whole)} is longer than {MAX_ADDRESS_BYTES} bytes")
    return address


def _normalise_local(local: str, whole: str) -> str:
    if _QUOTED_STRING.fullmatch(local):
        local = _unquote(local)
        written = local if _LOCAL.fullmatch(local) else _quote(local)
    else:
        local = written = unicodedata.normalize("NFC", local)
        if not _is_local(local):
            raise AddressError(f"{_shown(whole)} is not an email address: {_why_not_local(local)}")
    if any(mark in local for mark in ("%", "!", "@", "=?")) or not local.isprintable():
        raise AddressError(f"{_shown(whole)} has a character before the @ that is refused (% ! @ or a hidden one)")
    if len(written.encode()) > MAX_LOCAL_BYTES:
        raise AddressError(f"{_shown(whole)} has more than {MAX_LOCAL_BYTES} bytes before the @")
    return written


def _is_local(local: str) -> bool:
    if local.isascii():
        return _LOCAL.fullmatch(local) is not None
    return _LOCAL_INTERNATIONAL.fullmatch(local) is not None and local.isprintable()


def _why_not_local(local: str) -> str:
    if "%" in local or "!" in local:
        return "routes by % or ! are refused"
    if "@" in local and ("," in local or ";" in local):
        return "give several as a list, each by itself"
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return "a dot before the @ must stand between two other characters"
    return "it has a character before the @ that is not allowed there"


def _refuse_unsafe(text: str) -> None:
    found = find_unsafe(text)
    if found is not None:
        raise AddressError(f"{_shown(text)} holds the character {found}, which is not allowed in an address")


def _is_phrase(name: str) -> bool:
    return _PHRASE.fullmatch(name) is not None and name == name.strip(" ") and "  " not in name and "=?" not in name


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unquote(quoted: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", quoted[1:-1])


def _shown(text: str) -> str:
    """The text for a message: on one line, without what could do harm there, at most 80 characters."""
    short = text if len(text) <= 80 else text[:77] + "..."
    return ascii(short) if find_unsafe(short) else f"'{short}'"
