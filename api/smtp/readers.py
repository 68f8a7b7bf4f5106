"""The content of a message as it comes in: after DATA up to its one true end, after BDAT by number of bytes.

Only CR LF dot CR LF ends DATA (RFC 5321 §4.1.1.4). Everything that merely looks like it is content, which
``check_submitted`` then refuses.
"""

from __future__ import annotations

import re

from hourpost.rules.canonical import ContentError

_DOT = b"\r\n."
_END = b"\r\n.\r\n"
_TAIL = len(_END) - 1
_LONELY_DOT = re.compile(rb"\r\n\.[ \t]+\r\n")


class Budget:
    """How many bytes of messages all sessions together hold in memory."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0


class Held:
    """The bytes of one message, counted against the budget; past a limit they are counted and dropped."""

    def __init__(self, limit_bytes: int, budget: Budget, start: bytes = b"") -> None:
        self.bytes = bytearray(start)
        self.is_crowded = False
        self.dropped_bytes = 0
        self._limit_bytes = limit_bytes
        self._budget = budget
        self._claimed_bytes = 0

    def count(self, size_bytes: int, *, keep_bytes: int = 0) -> None:
        """Account for bytes that were just put at the end; of what is dropped, the last ``keep_bytes`` stay."""
        if self.dropped_bytes or len(self.bytes) > self._limit_bytes or not self._claim(size_bytes):
            self._drop(keep_bytes)

    @property
    def size_bytes(self) -> int:
        """How much it is."""
        return len(self.bytes)

    def content(self) -> bytes:
        """What came by BDAT, as it came."""
        return bytes(self.bytes)

    def release(self) -> None:
        """Give its bytes back to the budget."""
        self._budget.held_bytes -= self._claimed_bytes
        self._claimed_bytes = 0

    def _claim(self, size_bytes: int) -> bool:
        if self._budget.held_bytes + size_bytes > self._budget.limit_bytes:
            self.is_crowded = True
            return False
        self._budget.held_bytes += size_bytes
        self._claimed_bytes += size_bytes
        return True

    def _drop(self, keep_bytes: int) -> None:
        cut = max(0, len(self.bytes) - keep_bytes)
        self.dropped_bytes += cut
        del self.bytes[:cut]
        self.release()


class DataReader:
    """Reads what follows DATA. After the end, ``is_too_large`` and ``is_crowded`` say whether ``content`` is lost."""

    def __init__(self, limit_bytes: int, budget: Budget) -> None:
        self.received_bytes = 0
        self._has_dots = False
        self._limit_bytes = limit_bytes
        # The line before the first one ends here, so that a dot on the very first line is seen as the end
        self._held = Held(limit_bytes + 2 * len(_END), budget, b"\r\n")

    def take(self, buffer: bytearray) -> bool:
        """Move what belongs to the message out of ``buffer``; whether its end was there."""
        body = self._held.bytes
        known = len(body)
        body += buffer
        end = self._find_end(body, max(0, known - _TAIL))
        taken = len(buffer) if end < 0 else end + len(_END) - known
        del body[known + taken :]
        del buffer[:taken]
        self.received_bytes += taken
        self._held.count(taken, keep_bytes=_TAIL)
        return end >= 0

    def _find_end(self, body: bytearray, start: int) -> int:
        """Where the end begins, or -1; on the way there it sees whether any line begins with a dot."""
        at = body.find(_DOT, start)
        while at >= 0:
            behind = body[at + 3 : at + 5]
            if behind == b"\r\n":
                return at
            if b"\r\n".startswith(behind):  # the rest of an end may be on its way
                return -1
            self._has_dots = True
            at = body.find(_DOT, at + 3)
        return -1

    @property
    def is_too_large(self) -> bool:
        """Whether the message, without its end, has more bytes than the limit."""
        return self.received_bytes - 3 > self._limit_bytes

    @property
    def is_crowded(self) -> bool:
        """Whether there was no memory for it."""
        return self._held.is_crowded

    @property
    def size_bytes(self) -> int:
        """How much it is, with its end."""
        return self._held.size_bytes

    def content(self) -> bytes:
        """The message with its dots unstuffed (RFC 5321 §4.5.2).

        Raises:
            ContentError: A line is a dot and blanks: an end to some, and not to others.
        """
        raw = bytes(self._held.bytes[2:-3])  # by no view, which would forbid the loop to end the session meanwhile
        if self._has_dots:
            raw = b"\r\n" + raw
            if _LONELY_DOT.search(raw):
                raise ContentError("a line of the message is a dot and blanks, which is not the end of the message")
            raw = raw.replace(b"\r\n.", b"\r\n")[2:]
        return raw

    def release(self) -> None:
        """Give its memory back."""
        self._held.release()


class ChunkReader:
    """Reads the bytes of one BDAT into ``held``, or drops them where ``held`` is None."""

    def __init__(self, size_bytes: int, held: Held | None, *, is_last: bool = False, refusal: bytes = b"") -> None:
        self.received_bytes = 0
        self.is_last = is_last
        self.refusal = refusal  # what is answered after the bytes of a chunk that is not wanted
        self._left_bytes = size_bytes
        self._held = held

    def take(self, buffer: bytearray) -> bool:
        """Move what belongs to the chunk out of ``buffer``; whether that was all of it."""
        part = buffer[: self._left_bytes]
        del buffer[: len(part)]
        self._left_bytes -= len(part)
        self.received_bytes += len(part)
        if self._held is not None and part:
            self._held.bytes += part
            self._held.count(len(part))
        return self._left_bytes == 0
