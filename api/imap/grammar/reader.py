"""The words of a command, read one after the other (RFC 9051 §9)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import NoReturn

_TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]{1,64}")
_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_ASTRING = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\]+")
_PATTERN = re.compile(rb"[^\x00-\x20\x7f-\xff(){\"\\]+")
_QUOTED = re.compile(rb'"([^"\\\r\n\x00]*(?:\\["\\][^"\\\r\n\x00]*)*)"')
_ESCAPED = re.compile(rb"\\(.)")
_LITERAL = re.compile(rb"~?\{[0-9]+\+?\}\r\n")
_NUMBER = re.compile(rb"[0-9]{1,20}")
_FLAG = re.compile(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_DATE = re.compile(rb"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})")
_MOMENT = re.compile(
    r"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

MAX_NUMBER = 2**32 - 1
MAX_NUMBER64 = 2**63 - 1


class BadCommand(Exception):
    """What the client wrote is not IMAP; the text says where."""

    answer = "BAD"
    forgets = False  # what an earlier search has saved


def is_tag(text: bytes) -> bool:
    """Whether a command may have this tag."""
    return _TAG.fullmatch(text) is not None


class Reader:
    """Stands somewhere in a command; each method reads one thing and moves behind it, or raises BadCommand."""

    def __init__(
        self,
        text: bytes,
        literals: tuple[bytes, ...] = (),
        *,
        is_utf8: bool = False,
        takes_charset: bool = True,
        max_depth: int = 32,
    ) -> None:
        self.text = text
        self.at = 0
        self.is_utf8 = is_utf8  # whether names of folders come in UTF-8
        self.takes_charset = takes_charset  # whether SEARCH may name one
        self.max_depth = max_depth
        self._literals = iter(literals)

    def fail(self, wanted: str) -> NoReturn:
        """Say what should stand here. Raises: BadCommand."""
        raise BadCommand(f"expected {wanted} at byte {self.at + 1} of the command")

    # single characters

    def sees(self, start: bytes) -> bool:
        """Whether this is what follows, in whatever case."""
        return self.text[self.at : self.at + len(start)].upper() == start

    def takes(self, start: bytes) -> bool:
        """Read it if it follows."""
        if not self.sees(start):
            return False
        self.at += len(start)
        return True

    def expect(self, start: bytes) -> None:
        """Read it."""
        if not self.takes(start):
            self.fail(repr(start.decode("ascii")))

    def space(self) -> None:
        """Read the one space between two words."""
        self.expect(b" ")

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left; blanks at the end do no harm."""
        return not self.text[self.at :].strip(b" ")

    def end(self) -> None:
        """Be at the end."""
        if not self.is_at_end:
            self.fail("the end")

    # words

    def _match(self, pattern: re.Pattern[bytes], wanted: str) -> bytes:
        found = pattern.match(self.text, self.at)
        if found is None:
            self.fail(wanted)
        self.at = found.end()
        return found[0]

    def tag(self) -> bytes:
        """The tag of a command."""
        return self._match(_TAG, "a tag")

    def atom(self) -> bytes:
        """An atom."""
        return self._match(_ATOM, "an atom")

    def word(self) -> str:
        """An atom that is one of a list of known words, in capitals."""
        return self.atom().upper().decode("ascii")

    def number(self, *, least: int = 0, most: int = MAX_NUMBER) -> int:
        """A number in this range."""
        start = self.at
        value = int(self._match(_NUMBER, "a number"))
        if not least <= value <= most:
            self.at = start
            self.fail(f"a number from {least} to {most}")
        return value

    def modseq(self, *, least: int = 0) -> int:
        """A MODSEQ (RFC 7162 §7)."""
        return self.number(least=least, most=MAX_NUMBER64)

    def flag(self) -> str:
        """A flag or keyword as written."""
        return self._match(_FLAG, "a flag").decode("ascii")

    def find_string(self) -> bytes | None:
        """A quoted string or literal; None when neither follows."""
        found = _QUOTED.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            return _ESCAPED.sub(rb"\1", found[1]) if b"\\" in found[1] else found[1]
        found = _LITERAL.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return next(self._literals)

    def string(self) -> bytes:
        """A quoted string or literal."""
        found = self.find_string()
        if found is None:
            self.fail("a string")
        return found

    def astring(self) -> bytes:
        """An atom, quoted string or literal."""
        found = self.find_string()
        return self._match(_ASTRING, "a string") if found is None else found

    def nstring(self) -> bytes | None:
        """A string, or NIL for none."""
        found = self.find_string()
        if found is None and not self.takes(b"NIL"):
            self.fail("a string or NIL")
        return found

    def pattern(self) -> bytes:
        """What LIST compares names with."""
        found = self.find_string()
        return self._match(_PATTERN, "a pattern") if found is None else found

    def literal(self) -> bytes:
        """A literal: not a quoted string."""
        if _LITERAL.match(self.text, self.at) is None:
            self.fail("a literal")
        return self.string()

    # moments

    def date(self) -> date:
        """A day, quoted or not."""
        is_quoted = self.takes(b'"')
        start = self.at
        found = _DATE.match(self.text, self.at)
        if found is None:
            self.fail("a date such as 1-Feb-2026")
        self.at = found.end()
        if is_quoted:
            self.expect(b'"')
        try:
            return date(int(found[3]), _month(found[2].decode()), int(found[1]))
        except ValueError:
            self.at = start
            self.fail("a day that exists")

    def moment(self) -> datetime:
        """A date-time with its zone, quoted."""
        start = self.at
        found = _MOMENT.fullmatch(self.string().decode("latin-1"))
        try:
            if found is not None:
                return _to_moment(found)
        except (ValueError, OverflowError):
            pass
        self.at = start
        self.fail('a date-time such as " 1-Feb-2026 12:00:00 +0000"')


def _month(name: str) -> int:
    return _MONTHS.index(name.lower()) + 1


def _to_moment(found: re.Match[str]) -> datetime:
    minutes = int(found[8]) * 60 + int(found[9])
    zone = timezone(timedelta(minutes=minutes if found[7] == "+" else -minutes))
    numbers = (int(found[3]), _month(found[2]), int(found[1]), int(found[4]), int(found[5]), min(int(found[6]), 59))
    return datetime(*numbers, tzinfo=zone).astimezone(UTC)
