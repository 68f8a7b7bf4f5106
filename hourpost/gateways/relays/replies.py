"""What a relay answers, read off its bytes with bounded memory (RFC 5321 §4.2)."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_LINE_BYTES = 4_096
"""What is kept of a line: RFC 5321 §4.5.3.1.5 allows 512; relays with long explanations exceed it."""
MAX_LINES = 200
"""How many lines of a reply are kept."""
MAX_REPLY_BYTES = 1_048_576
"""A relay that has sent so much without an end of its reply has none."""
MAX_TEXT_CHARACTERS = 1_000

_NO_REPLY = "the relay sent something that is no SMTP reply"
_CODES = {str(code).encode(): code for code in range(200, 600)}
# Some write [5.7.1], 5.7.1: or #5.7.1
_ENHANCED = re.compile(r"[\[(]?#?([245]\.\d{1,3}\.\d{1,3})[\])]?[:,]?(?:[ \t]+|$)")
_ENHANCED_BEHIND = re.compile(r"\(#([245]\.\d{1,3}\.\d{1,3})\)\.?$")  # as qmail does
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class ReplyInvalid(Exception):
    """The bytes are no SMTP reply; what they mean is unknowable from here on, ``replies`` came whole before them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.replies: list[Reply] = []


class Reply(NamedTuple):
    """A complete reply: its code and the text of its lines, without the codes."""

    code: int
    lines: list[bytes]

    def enhanced_and_text(self) -> tuple[str | None, str]:
        """Splits the enhanced status code (RFC 3463) from the words; the words are printable and bounded."""
        first, *others = map(_readable, self.lines)
        match = _ENHANCED.match(first)
        if match is None or match[1][0] != str(self.code)[0]:
            words = " ".join((first, *others)) if others else first
            return self._enhanced_behind(words), words[:MAX_TEXT_CHARACTERS]
        if not others:
            return match[1], first[match.end() : MAX_TEXT_CHARACTERS]
        head = match[0].rstrip()
        words = " ".join(line.removeprefix(head).strip() for line in (first, *others))
        return match[1], words[:MAX_TEXT_CHARACTERS]

    def _enhanced_behind(self, words: str) -> str | None:
        found = _ENHANCED_BEHIND.search(words) if self.code >= 400 else None
        return found[1] if found is not None and found[1][0] == str(self.code)[0] else None


def _readable(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return text if text.isprintable() else _UNPRINTABLE.sub(" ", text).strip()


class ReplyReader:
    """Cuts a stream of bytes into replies, whatever pieces it comes in.

    As common clients do, it takes a line that ends in LF alone, passes over empty ones, keeps the beginning of what is
    too long, and where the lines of a reply have different codes, the last one counts. Everything else that is not a
    reply raises ``ReplyInvalid``.
    """

    __slots__ = ("_lines", "_rest", "_unfinished_bytes")

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._unfinished_bytes = 0

    @property
    def is_midway(self) -> bool:
        """Whether part of a reply has been read and the rest has not."""
        return bool(self._rest or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """Takes what arrived and gives the replies it completes. Raises: ReplyInvalid."""
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        replies: list[Reply] = []
        try:
            for line in lines:
                code = _CODES.get(line[:3])
                separator = line[3:4]
                if code is None:
                    _pass_over(line)
                elif separator == b" " and not self._lines:
                    replies.append(Reply(code, [line[4:MAX_LINE_BYTES].rstrip(b"\r")]))
                elif self._is_last(separator, line):
                    replies.append(Reply(code, self._lines))
                    self._lines = []
            if self._rest or self._unfinished_bytes or not replies:
                self._bound(0 if replies else len(data))
        except ReplyInvalid as error:
            error.replies = replies
            raise
        return replies

    def _is_last(self, separator: bytes, line: bytes) -> bool:
        """Adds a line to the reply being read; tells whether it completes it."""
        if separator not in (b" ", b"-", b"", b"\r"):
            raise ReplyInvalid(_NO_REPLY)
        if len(self._lines) < MAX_LINES:
            self._lines.append(line[4:MAX_LINE_BYTES].rstrip(b"\r"))
        return separator != b"-"

    def _bound(self, more_bytes: int) -> None:
        """Keeps the beginning of a line that has no end yet, and gives up where a reply never has one."""
        self._unfinished_bytes = self._unfinished_bytes + more_bytes if more_bytes else 0
        if self._unfinished_bytes > MAX_REPLY_BYTES:
            raise ReplyInvalid("a reply has no end")
        if len(self._rest) > MAX_LINE_BYTES:
            if self._rest[:3] not in _CODES:
                raise ReplyInvalid(_NO_REPLY)
            self._rest = self._rest[:MAX_LINE_BYTES]


def _pass_over(line: bytes) -> None:
    if line.strip():
        raise ReplyInvalid(_NO_REPLY)
