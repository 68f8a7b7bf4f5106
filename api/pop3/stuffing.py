"""A message as POP3 writes it: dots at line starts doubled, ended by a dot, cut by TOP (RFC 1939 §3, §7).

Both work on pieces of any size, so that a large message is never held whole; a dot or a CRLF may lie on a border.
"""

from __future__ import annotations

from hourpost.rules.mail.fields import find_header_end

_HEADER_ENDS = (b"\n\r\n", b"\n\n")
_NO_HEADER = (b"\r\n", b"\n")


class Stuffer:
    """Doubles the dots, piece by piece."""

    def __init__(self) -> None:
        self._before = b"\r\n"  # the last two bytes: a message begins at the start of a line

    def feed(self, piece: bytes) -> bytes:
        """The next piece as it is written."""
        if not piece:
            return b""
        # What went out already stands before it, so that CR, LF and the dot are seen together
        before = self._before
        joined = before + piece
        self._before = joined[-2:]
        return joined.replace(b"\r\n.", b"\r\n..")[len(before) :] if b"." in piece else piece

    def end(self) -> bytes:
        """The line with the dot, on a line of its own also when the message does not end its last one."""
        return b".\r\n" if self._before == b"\r\n" else b"\r\n.\r\n"


class Top:
    """Lets the header through, the empty line, and so many lines of the body."""

    def __init__(self, lines: int) -> None:
        self._left = lines
        self._header = b""
        self._is_in_body = False

    @property
    def is_done(self) -> bool:
        """Whether nothing more comes."""
        return self._is_in_body and self._left == 0

    def feed(self, piece: bytes) -> bytes:
        """What of the next piece is to be written."""
        if self._is_in_body:
            return self._cut(piece, 0)
        known = len(self._header)
        self._header += piece
        body_at = find_header_end(self._header, 0, len(self._header))
        if body_at == len(self._header) and not self._header.endswith(_HEADER_ENDS) and self._header not in _NO_HEADER:
            return piece
        header, self._header, self._is_in_body = self._header, b"", True
        return header[known:body_at] + self._cut(header, body_at)

    def _cut(self, piece: bytes, start: int) -> bytes:
        at = start
        while self._left:
            end = piece.find(b"\n", at) + 1
            if end == 0:
                return piece[start:]
            at = end
            self._left -= 1
        return piece[start:at]


def write_message(content: bytes) -> bytes:
    """A whole message as it is written, with the dot at its end."""
    if b"\r\n." in content or content.startswith(b".") or not content:
        stuffer = Stuffer()
        return stuffer.feed(content) + stuffer.end()
    return content + (b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n")
