"""RETR and TOP: a message out of the maildrop, small ones read ahead together, large ones never held whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from api.pop3.drop import AHEAD_BYTES, Drop
from api.pop3.replies import refuse
from api.pop3.stuffing import Stuffer, Top, write_message
from hourpost.errors import HourpostError
from hourpost.gateways.metrics import POP3_MESSAGES
from hourpost.mailboxes.maildrop import Maildrops

Send = Callable[[bytes], Awaitable[None]]
"""Writes, and waits while the client does not read."""


class Interrupted(Exception):
    """The rest of a message cannot be read, and its beginning is out: only the end of the connection tells so."""


async def retrieve(maildrops: Maildrops, drop: Drop, number: int, send: Send) -> bytes:
    """What is left to write of the answer to RETR. Raises: Refusal, HourpostError, Interrupted."""
    if drop.size_of(number) > AHEAD_BYTES:
        end = await _stream(maildrops, drop, number, send)
        _count(drop, number)
        return end
    return write_whole(drop, number, await _read(maildrops, drop, number))


async def retrieve_top(maildrops: Maildrops, drop: Drop, wanted: tuple[int, int], send: Send) -> bytes:
    """What is left to write of the answer to TOP with this number and lines. Raises: as ``retrieve``."""
    number, lines = wanted
    if drop.size_of(number) > AHEAD_BYTES:
        return await _stream(maildrops, drop, number, send, Top(lines))
    return write_top(await _read(maildrops, drop, number), lines)


def write_whole(drop: Drop, number: int, content: bytes) -> bytes:
    """The answer to RETR, of a message that is here; it is not kept."""
    drop.ahead.pop(number, None)
    _count(drop, number)
    return b"+OK %d octets\r\n" % drop.size_of(number) + write_message(content)


def write_top(content: bytes, lines: int) -> bytes:
    """The answer to TOP, of a message that is here."""
    return b"+OK\r\n" + write_message(Top(lines).feed(content))


def _count(drop: Drop, number: int) -> None:
    drop.retrieved.add(number)
    POP3_MESSAGES.inc()


async def _read(maildrops: Maildrops, drop: Drop, number: int) -> bytes:
    """The content of a message; that of those that come next stays in ``drop.ahead`` with it."""
    drop.ahead = await maildrops.read(drop.maildrop, drop.choose_ahead(number))
    content = drop.ahead.get(number)
    if content is None:
        raise _gone(number)
    return content


async def _stream(maildrops: Maildrops, drop: Drop, number: int, send: Send, top: Top | None = None) -> bytes:
    pieces = maildrops.stream(drop.maildrop, number)
    piece = await anext(pieces, None)
    if piece is None:
        raise _gone(number)
    stuffer = Stuffer()
    try:
        await send(b"+OK %d octets\r\n" % drop.size_of(number) if top is None else b"+OK\r\n")
        while piece is not None and not (top is not None and top.is_done):
            await send(stuffer.feed(piece if top is None else top.feed(piece)))
            piece = await anext(pieces, None)
    except HourpostError as error:
        raise Interrupted from error
    return stuffer.end()


def _gone(number: int) -> Exception:
    return refuse(f"message {number} has been removed by another client")
