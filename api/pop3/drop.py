"""INBOX as one session sees it: numbers that never change, what is marked to go, and what it reads ahead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from api.pop3.replies import refuse
from hourpost.mailboxes.maildrop import Maildrop

AHEAD_BYTES = 1024 * 1024
AHEAD_MESSAGES = 128
_STRIDE = 8  # who leaves out a few still reads one after the other


@dataclass(slots=True)
class Drop:
    """The messages 1 to ``count`` as they were at log-in."""

    maildrop: Maildrop
    deleted: set[int] = field(default_factory=set)
    retrieved: set[int] = field(default_factory=set)
    ahead: dict[int, bytes] = field(default_factory=dict)  # content of messages that are likely asked for next
    _deleted_bytes: int = 0
    _last: int = 0
    _reach: int = 1

    @property
    def count(self) -> int:
        """How many there are, with those that are marked."""
        return len(self.maildrop.uids)

    @property
    def left(self) -> tuple[int, int]:
        """How many messages are not marked, and their octets."""
        return self.count - len(self.deleted), self.maildrop.size_bytes - self._deleted_bytes

    def require(self, number: int) -> None:
        """Pass a message that is there. Raises: Refusal."""
        if not 1 <= number <= self.count:
            raise refuse(f"there is no message {number}; there are {self.count}")
        if number in self.deleted:
            raise refuse(f"message {number} is marked as deleted")

    def numbers(self) -> Iterator[int]:
        """Those that are not marked."""
        return (number for number in range(1, self.count + 1) if number not in self.deleted)

    def size_of(self, number: int) -> int:
        """Its octets: those of RETR before dots are doubled."""
        return self.maildrop.sizes[number - 1]

    def mark(self, number: int) -> None:
        """Have it removed at QUIT."""
        self.deleted.add(number)
        self._deleted_bytes += self.size_of(number)

    def reset(self) -> None:
        """Mark none."""
        self.deleted.clear()
        self._deleted_bytes = 0

    def choose_ahead(self, number: int) -> list[int]:
        """Which messages to read now that this one is asked for: who reads one after the other gets ever more."""
        is_next = 0 < number - self._last <= _STRIDE
        self._reach = min(2 * self._reach, AHEAD_MESSAGES) if is_next else 1
        chosen, size = [number], self.size_of(number)
        for other in range(number + 1, min(self.count, number + self._reach - 1) + 1):
            if other in self.deleted:
                continue
            size += self.size_of(other)
            if size > AHEAD_BYTES:
                break
            chosen.append(other)
        self._last = chosen[-1]
        return chosen
