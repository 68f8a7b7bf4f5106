"""The addresses of a header as they stand there: groups, routes, comments, missing domains; never refused.

``rules/addresses.py`` is the strict parser, for what we send to; this one reads what others have sent (RFC 5322 §4.4).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from hourpost.rules.header_text import decode_raw, decode_words, make_safe
from hourpost.rules.mail.fields import unescape
from hourpost.rules.mail.scanned import MAX_ADDRESSES

MISSING_DOMAIN = b"MISSING_DOMAIN"
MISSING_MAILBOX = b"MISSING_MAILBOX"

_ATEXT = rb'[^\s()<>@,:;"\\\[\]]'
_PHRASE = rb'[^()<>@,:;"\\\[\]]'  # atext and blanks
# The two forms of nearly every address, up to the comma behind it: name <local@domain>, local@domain
_USUAL = re.compile(
    rb'\s*+(?:(?:"([^"\\]*+)"|(' + _ATEXT + _PHRASE + rb"*+))?\s*+"
    rb"<(" + _ATEXT + rb"++)@(" + _ATEXT + rb"++)>|(" + _ATEXT + rb"++)@(" + _ATEXT + rb"++))\s*+(?:,|\Z)"
)
_TOKEN = re.compile(
    rb'(?P<blank>\s++)|"(?P<quoted>(?:[^"\\]|\\.)*+)"?|(?P<literal>\[[^\]]*+\]?)|(?P<special>[<>@,;:()])'
    rb"|(?P<atom>" + _ATEXT + rb"++)|(?P<odd>.)",
    re.DOTALL,
)
_COMMENT_PIECE = re.compile(rb"[()]|(?:[^()\\]|\\.)++|\\", re.DOTALL)
_BLANKS = re.compile(rb"\s++")


class HeaderAddress(NamedTuple):
    """One entry of an address list as ENVELOPE has it (RFC 9051 §7.5.2).

    Without a host it marks a group: its beginning, with the group's name as mailbox, or its end, without one.
    """

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None

    @property
    def spec(self) -> str:
        """``mailbox@host`` for people."""
        return make_safe(decode_raw((self.mailbox or b"") + b"@" + (self.host or b"")))

    @property
    def display_name(self) -> str:
        """The decoded name; empty without one."""
        return make_safe(decode_words(decode_raw(self.name or b""))).strip()


def parse_addresses(value: bytes, limit: int = MAX_ADDRESSES) -> list[HeaderAddress]:
    """At most ``limit`` entries of an unfolded header; empty when there is no address in it."""
    found: list[HeaderAddress] = []
    at, size = 0, len(value)
    while at < size and len(found) < limit:
        match = _USUAL.match(value, at)
        if match is None:
            return found + _Reading(value, at, limit - len(found)).read()
        quoted, words, local, domain, bare, bare_domain = match.groups()
        if bare is not None:
            found.append(HeaderAddress(None, None, bare, bare_domain))
        else:
            name = words.rstrip() if quoted is None and words else quoted
            if name and words is not None and (b"  " in name or b"\t" in name):
                name = _BLANKS.sub(b" ", name)
            found.append(HeaderAddress(name or None, None, local, domain))
        at = match.end()
    return found


class _Reading:
    """The slow way: token by token, one address at a time, through whatever stands there."""

    def __init__(self, value: bytes, at: int, limit: int) -> None:
        self._value = value
        self._at = at
        self._limit = limit
        self._found: list[HeaderAddress] = []
        self._in_group = False
        self._route_at = 0
        self._clear()

    def read(self) -> list[HeaderAddress]:
        """All entries from here on."""
        size = len(self._value)
        while self._at < size and len(self._found) < self._limit:
            match = _TOKEN.match(self._value, self._at)
            assert match is not None  # the last alternative takes any byte
            self._at = match.end()
            self._take(match.lastgroup or "quoted", match)
        self._end_address()
        if self._in_group:
            self._end_group()
        return self._found[: self._limit]

    def _clear(self) -> None:
        # What was read since the last mark: of hostile headers a list of words would be twenty times their size
        self._words = bytearray()
        self._local: bytes | None = None
        self._phrase: bytes | None = None
        self._route: bytes | None = None
        self._comment: bytes | None = None
        self._angle = self._was_angle = self._blank = False

    def _take(self, kind: str, match: re.Match[bytes]) -> None:
        token = match[0]
        if kind == "special":
            self._take_special(token)
        elif kind == "blank":
            self._blank = True
        elif not self._was_angle or self._angle:
            self._add(unescape(match["quoted"]) if kind == "quoted" else token)

    def _add(self, text: bytes) -> None:
        # Blanks part words of a phrase; within an address spec they mean nothing (RFC 5322 §4.4)
        if self._blank and self._words and not self._angle and self._local is None:
            self._words += b" "
        self._words += text
        self._blank = False

    def _take_special(self, token: bytes) -> None:
        if token == b"(":
            self._comment = self._read_comment()
        elif token == b",":
            self._take_comma()
        elif token == b">":
            self._angle = False
        elif token == b";":
            self._take_semicolon()
        elif not self._was_angle or self._angle:  # what else comes behind <an@address> is nothing
            self._take_mark(token)

    def _take_mark(self, token: bytes) -> None:
        if token == b"<" and not self._angle:
            self._begin_angle()
        elif token == b"@":
            self._take_at()
        elif token == b":":
            self._take_colon()

    def _take_comma(self) -> None:
        if self._angle and self._route is not None and self._local is None:
            self._words.clear()  # between the domains of a route
        else:
            self._end_address()

    def _begin_angle(self) -> None:
        before = bytes(self._words) if self._local is None else b"%b@%b" % (self._local, bytes(self._words))
        self._phrase, self._local, self._words = before.strip(), None, bytearray()
        self._angle = self._was_angle = True

    def _take_at(self) -> None:
        if self._local is not None:  # the last @ parts the domain off
            self._words = bytearray(b"%b@%b" % (self._local, bytes(self._words)))
        elif self._angle and not self._words and self._route is None:
            self._route_at = self._at - 1
            self._route = b""
            return
        self._local, self._words = bytes(self._words), bytearray()
        self._blank = False

    def _take_colon(self) -> None:
        if self._angle:
            if self._route is not None:
                self._route = _BLANKS.sub(b"", self._value[self._route_at : self._at - 1])
                self._words, self._local = bytearray(), None
        elif not self._in_group:
            name = bytes(self._words).strip()
            self._clear()
            self._found.append(HeaderAddress(None, None, name, None))
            self._in_group = True

    def _take_semicolon(self) -> None:
        self._end_address()
        if self._in_group:
            self._end_group()

    def _read_comment(self) -> bytes:
        depth, text = 1, bytearray()
        while depth:
            match = _COMMENT_PIECE.match(self._value, self._at)
            if match is None:
                break
            self._at = match.end()
            depth += {b"(": 1, b")": -1}.get(match[0], 0)
            if depth:
                text += match[0]
        return unescape(bytes(text)).strip()

    def _end_address(self) -> None:
        local, after = self._local, bytes(self._words)
        name, route = self._phrase or self._comment or None, self._route or None
        is_something = local is not None or after or self._was_angle
        if self._route == b"" and after:  # <@domain>: no route, but nothing before the @
            local = b""
        self._clear()
        if not is_something:
            return
        mailbox, host = (after, b"") if local is None else (local, after)
        self._found.append(HeaderAddress(name, route, mailbox or MISSING_MAILBOX, host or MISSING_DOMAIN))

    def _end_group(self) -> None:
        self._in_group = False
        self._found.append(HeaderAddress(None, None, None, None))
