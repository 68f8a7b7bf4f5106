"""Searches that go on: a client pages by the last id it was given, so that a page of nothing would be its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from hourpost.pages import Cursor, Page

T = TypeVar("T")

GO_ON_SECONDS = 2.5
"""How long a search that has found nothing goes on; measured: 0.5 s for a million emails by subject, 1.2 s by state."""


class Searches:
    """The searches of one process. Those that go on do so by turns: one of an account at a time."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def find(
        self,
        account_id: UUID,
        cursor: Cursor,
        look: Callable[[Cursor], Awaitable[Page[T]]],
        is_gone: Callable[[], Awaitable[bool]],
    ) -> Page[T]:
        """The first page with something in it; an empty one at the end, or where the time is spent or nobody waits.

        ``look`` takes a connection for one bounded step and gives it back, so that others come between.
        """
        page = await look(cursor)
        if page.data or page.searched_to is None:
            return page
        turn = self._turns.setdefault(account_id, asyncio.Lock())
        until = self._seconds() + GO_ON_SECONDS
        try:
            async with asyncio.timeout(GO_ON_SECONDS):
                await turn.acquire()
        except TimeoutError:
            return page
        try:
            while not page.data and page.searched_to is not None and self._seconds() < until and not await is_gone():
                page = await look(_from(cursor, page.searched_to))
        finally:
            turn.release()
        return page


def _from(cursor: Cursor, reached: UUID) -> Cursor:
    """The same page from where a search has ended, in the same direction."""
    return replace(cursor, before=reached) if cursor.before is not None else replace(cursor, after=reached)
