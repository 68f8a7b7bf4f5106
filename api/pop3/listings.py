"""What LIST and UIDL say of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from api.pop3.drop import Drop

Write = Callable[[Drop, int], bytes]
_LINES_A_PIECE = 2000


def write_size(drop: Drop, number: int) -> bytes:
    """A line of LIST."""
    return b"%d %d\r\n" % (number, drop.size_of(number))


def write_name(drop: Drop, number: int) -> bytes:
    """A line of UIDL: UIDVALIDITY and UID, which no other message of the mailbox ever has together."""
    maildrop = drop.maildrop
    return b"%d %08x.%08x\r\n" % (number, maildrop.uidvalidity, maildrop.uids[number - 1])


def write_all(drop: Drop, write: Write) -> Iterator[bytes]:
    """The lines of all messages that are not marked, in pieces, with the first line before them."""
    count, size_bytes = drop.left
    piece = b"+OK %d messages (%d octets)\r\n" % (count, size_bytes)
    numbers = drop.numbers()
    while piece:
        yield piece
        piece = b"".join(write(drop, number) for number in islice(numbers, _LINES_A_PIECE))
