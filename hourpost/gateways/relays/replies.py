"""What a relay answers, read off its bytes with bounded memory (RFC 5321 §4.2)."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_LINE_BYTES = 4_096
"""RFC 5321 §4.5.3.1.5 allows 512; relays with long explanations exceed it."""
MAX_LINES = 200
MAX_TEXT_CHARACTERS = 1_000

_CODES = {str(code).encode(): code for code in range(200, 600)}
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class ReplyInvalid(Exception):
    """The bytes are no SMTP reply; what they mean is unknowable from here on."""


class Reply(NamedTuple):
    """A complete reply: its code and the text of its lines, without the codes."""

    code: int
    lines: list[bytes]

    def enhanced_and_text(self) -> tuple[str | None, str]:
        """Splits the enhanced status code (RFC 3463) from the words; the words are printable and bounded."""
        first = _readable(self.lines[0])
        match = _ENHANCED.match(first)
        if match is None or match[1][0] != str(self.code)[0]:
            words = " ".join([first, *map(_readable, self.lines[1:])]) if len(self.lines) > 1 else first
            return None, words[:MAX_TEXT_CHARACTERS]
        if len(self.lines) == 1:
            return match[1], first[match.end() : MAX_TEXT_CHARACTERS]
        prefix = match[1]
        words = " ".join(_readable(line).removeprefix(prefix).strip() for line in self.lines)
        return prefix, words[:MAX_TEXT_CHARACTERS]


def _readable(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return text if text.isprintable() else _UNPRINTABLE.sub(" ", text).strip()


class ReplyReader:
    """Cuts a stream of bytes into replies, whatever pieces it comes in.

    A line may end in LF alone, as common clients accept; everything else that is not a reply raises ``ReplyInvalid``.
    """

    __slots__ = ("_code", "_lines", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._code = 0
        self._lines: list[bytes] = []

    @property
    def is_midway(self) -> bool:
        """Whether part of a reply has been read and the rest has not."""
        return bool(self._rest or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """Takes what arrived and gives the replies it completes. Raises: ReplyInvalid."""
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE_BYTES:
            raise ReplyInvalid("a reply line is too long")
        replies = []
        for line in lines:
            code = _CODES.get(line[:3])
            separator = line[3:4]
            if code is None or len(line) > MAX_LINE_BYTES:
                raise ReplyInvalid("the relay sent something that is no SMTP reply")
            if separator == b" " and not self._lines:
                replies.append(Reply(code, [line[4:].rstrip(b"\r")]))
            elif self._is_last(code, separator, line):
                replies.append(Reply(code, self._lines))
                self._lines = []
        return replies

    def _is_last(self, code: int, separator: bytes, line: bytes) -> bool:
        """Adds a line to the reply being read; tells whether it completes it."""
        if separator not in (b" ", b"-", b"", b"\r"):
            raise ReplyInvalid("the relay sent something that is no SMTP reply")
        if self._lines and code != self._code:
            raise ReplyInvalid("the lines of one reply carry different codes")
        if len(self._lines) >= MAX_LINES:
            raise ReplyInvalid("a reply has too many lines")
        self._code = code
        self._lines.append(line[4:].rstrip(b"\r"))
        return separator != b"-"
