"""Reading large messages to show them: only what is shown, once for all who ask at once, and of an account in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from asyncpg import Connection

from hourpost.mailboxes.contents import Slice, read_content, read_parts, read_slices
from hourpost.rules.mail.readable import MAX_TEXT_BYTES
from hourpost.rules.mail.scanned import MAX_HEADER_BYTES, Part

WHOLE_BYTES = 1024 * 1024
"""Larger messages are read in part."""
END_BYTES = 1024
"""Of a file there is as much of its beginning and its end."""

_AT_ONCE = 4  # of which each may hold the bytes of a message


class Readings:
    """What is being read in this process."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def share(self, key: Hashable, read: Callable[[], Awaitable[Any]]) -> Any:
        """What ``read`` gives or raises, or has begun to read for another who asked for ``key``."""
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.ensure_future(_await(read()))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    @asynccontextmanager
    async def turn(self, account_id: UUID) -> AsyncIterator[None]:
        """The account's turn, and a place among the few."""
        async with self._turns.setdefault(account_id, asyncio.Lock()), self._places:
            yield


async def _await(one: Awaitable[Any]) -> Any:
    return await one


async def read_shown(connection: Connection, content_id: UUID, size_bytes: int) -> tuple[bytes, Sequence[Part]]:
    """The bytes of a message, NULs where a large one has what nobody is shown, and its parts; no bytes if it is gone.

    There are the headers, the beginning of each text, and the two ends of each file.
    """
    parts = await read_parts(connection, content_id) or ()
    if size_bytes <= WHOLE_BYTES:
        return await read_content(connection, content_id), parts
    spans = sorted((start, size) for start, size in _spans(parts) if size > 0)
    found = await read_slices(connection, [Slice(content_id, start, size) for start, size in spans])
    return b"".join(_laid_out(spans, found, size_bytes)) if found[0] else b"", parts


def is_text(part: Part) -> bool:
    """Whether the beginning of a part is read, and not its ends alone."""
    return part.media_type == "text" or part.media_subtype == "ics" or part.encoding == "quoted-printable"


def _spans(parts: Sequence[Part]) -> Iterator[tuple[int, int]]:
    left = 2 * MAX_TEXT_BYTES
    yield 0, MAX_HEADER_BYTES
    for part in parts:
        yield part.header_at, part.header_size
        if is_text(part):
            size = min(part.body_size, MAX_TEXT_BYTES, left)
            yield part.body_at, size
            left -= size
        size = min(part.body_size, END_BYTES)
        yield part.body_at, size
        yield part.body_at + part.body_size - size, size


def _laid_out(spans: Sequence[tuple[int, int]], found: Sequence[bytes], size_bytes: int) -> Iterator[bytes]:
    """What was found, each where it stands, and NULs between."""
    at = 0
    for (start, _), piece in zip(spans, found, strict=True):
        if start > at:
            yield bytes(start - at)
            at = start
        yield piece[at - start :]
        at = max(at, start + len(piece))
    yield bytes(max(0, size_bytes - at))
