"""Commands cut out of what arrives: lines, and the literals that they announce (RFC 9051 §4.3, RFC 7888).

A literal that is a message is announced to the session first, which looks at its size and lets it in or not; all
others are small, and are taken or refused here. Nothing is read past the end of a command before it is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from api.imap.limits import MAX_LITERALS, FrameLimits

_ANNOUNCED = re.compile(rb"~?\{([0-9]{1,20})(\+?)\}\r?\n\Z")
_TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]{1,64}(?= )")
_MESSAGE_FOLLOWS = re.compile(rb"[^ ]+ APPEND +[^ ]", re.IGNORECASE)  # otherwise it is the folder's name


@dataclass(frozen=True, slots=True)
class CommandText:
    """A whole command: its lines with the CRLF only behind announcements, and the literals in turn."""

    text: bytes
    literals: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Announced:
    """A message of ``size_bytes`` is about to come; ``text`` ends before its announcement."""

    text: bytes
    literals: tuple[bytes, ...]
    size_bytes: int
    is_waiting: bool  # the client sends it only when told to


@dataclass(frozen=True, slots=True)
class Welcome:
    """The client waits to be told that its literal may come."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """Something is larger than we take. ``tag`` is empty when the session cannot go on."""

    tag: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A command whose message was not wanted has ended."""


Frame = CommandText | Announced | Welcome | TooLarge | Skipped


class _More:
    """A literal has begun; go on."""


_MORE = _More()


class Framer:
    """Give it bytes with ``feed``, ask it with ``next`` until that gives None."""

    __slots__ = (
        *("buffer", "limits", "_announced", "_is_unwanted", "_literal", "_literals", "_literals_bytes"),
        *("_missing_bytes", "_searched_bytes", "_text"),
    )

    def __init__(self, limits: FrameLimits) -> None:
        self.limits = limits
        self.buffer = bytearray()
        self._literal: bytearray | None = None
        self._missing_bytes = 0  # of the literal
        self._is_unwanted = False
        self._announced: Announced | None = None
        self._searched_bytes = 0
        self._forget()

    def _forget(self) -> None:
        self._text = b""
        self._literals: tuple[bytes, ...] = ()
        self._literals_bytes = 0
        self._is_unwanted = False
        self._announced = None
        self._searched_bytes = 0

    @property
    def waits_for_message(self) -> bool:
        """Whether the middle of a message is what comes next."""
        return self._literal is not None and self._announced is not None

    @property
    def undecided(self) -> Announced | None:
        """A message that waits for a word on it."""
        return self._announced if self._literal is None else None

    @property
    def is_between(self) -> bool:
        """Whether no command has begun."""
        return not self.buffer and not self._text and self._literal is None

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        if self._literal is not None and not self.buffer and len(data) <= self._missing_bytes:
            self._keep(data)
        else:
            self.buffer += data

    def line(self) -> bytes | TooLarge | None:
        """The next line as such, without its end: what answers a question, or ends IDLE."""
        end = self.buffer.find(b"\n")
        if end < 0:
            return TooLarge(b"", "line too long") if len(self.buffer) > self.limits.line_bytes else None
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        return line.removesuffix(b"\r")

    def next(self) -> Frame | None:
        """What there is to act on; None when more has to arrive, or when an announced message waits for a word."""
        while True:
            if self._literal is not None:
                if not self._finish_literal():
                    return None
            elif self._announced is not None:
                return None
            frame = self._next_line()
            if not isinstance(frame, _More):
                return frame

    # the word on an announced message

    def accept(self) -> None:
        """Let the announced message in."""
        assert self._announced is not None
        self._begin_literal(self._announced.size_bytes)

    def skip(self) -> None:
        """Read the announced message, which comes unasked, past; ``Skipped`` follows at the end of its command."""
        self._is_unwanted = True
        self.accept()

    def refuse(self) -> None:
        """Forget the command: the client waits for a word and hears no."""
        self._forget()

    # the work

    def _next_line(self) -> Frame | _More | None:
        end = self.buffer.find(b"\n", self._searched_bytes)
        length = (end if end >= 0 else len(self.buffer)) + len(self._text)
        if length > self.limits.line_bytes:
            return TooLarge(b"", "line too long")
        if end < 0:
            self._searched_bytes = len(self.buffer)
            return None
        self._searched_bytes = 0
        line = bytes(self.buffer[: end + 1])
        del self.buffer[: end + 1]
        found = _ANNOUNCED.search(line)
        if found is not None:
            return self._announce(line, found)
        text, literals, is_unwanted = self._text + line.rstrip(b"\r\n"), self._literals, self._is_unwanted
        self._forget()
        return Skipped() if is_unwanted else CommandText(text, literals)

    def _announce(self, line: bytes, found: re.Match[bytes]) -> Frame | _More:
        before = self._text + line[: found.start()]
        size_bytes, is_waiting = int(found[1]), not found[2]
        self._text += line.rstrip(b"\r\n") + b"\r\n"
        if _MESSAGE_FOLLOWS.match(before):
            return self._announce_message(before, size_bytes, is_waiting=is_waiting)
        if self._is_too_large(size_bytes):
            return self._refuse_small(size_bytes, is_waiting=is_waiting)
        self._begin_literal(size_bytes)
        return Welcome() if is_waiting else _MORE

    def _announce_message(self, before: bytes, size_bytes: int, *, is_waiting: bool) -> Frame | _More:
        announced = Announced(before, self._literals, size_bytes, is_waiting)
        if not self._is_unwanted:
            self._announced = announced
            return announced
        if is_waiting:
            self._forget()
            return Skipped()
        self._begin_literal(size_bytes)
        return _MORE

    def _is_too_large(self, size_bytes: int) -> bool:
        limits = self.limits
        total_bytes = self._literals_bytes + size_bytes
        is_one_too_many = len(self._literals) >= MAX_LITERALS
        return size_bytes > limits.literal_bytes or total_bytes > limits.literals_bytes or is_one_too_many

    def _refuse_small(self, size_bytes: int, *, is_waiting: bool) -> TooLarge:
        tag = _TAG.match(self._text)
        self._forget()
        return TooLarge(tag[0] if tag and is_waiting else b"", f"a literal of {size_bytes} bytes is too large here")

    def _begin_literal(self, size_bytes: int) -> None:
        self._literal = bytearray()
        self._missing_bytes = size_bytes

    def _finish_literal(self) -> bool:
        """Move what there is of the literal out of the buffer; whether that was all of it."""
        if self._missing_bytes and self.buffer:
            taken = min(self._missing_bytes, len(self.buffer))
            self._keep(self.buffer[:taken])
            del self.buffer[:taken]
        if self._missing_bytes:
            return False
        assert self._literal is not None
        if self._announced is None:
            self._literals_bytes += len(self._literal)
        self._literals += (bytes(self._literal),)
        self._literal = self._announced = None
        return True

    def _keep(self, data: bytes | bytearray) -> None:
        assert self._literal is not None
        if not self._is_unwanted:
            self._literal += data
        self._missing_bytes -= len(data)
