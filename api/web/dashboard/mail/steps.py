"""Many messages, so many at a time: no change is long, and a request ends while somebody still waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from hourpost.mailboxes.folders import Folder
from hourpost.mailboxes.messages import list_some_uids
from hourpost.mailboxes.store import MailStore

AT_ONCE = 1000
"""Messages of one transaction; others who change the folder wait for it."""
_LONGEST_SECONDS = 20.0

Batches = AsyncIterator[list[int]]
Step = tuple[Folder | None, list[int]]
"""Where messages are now, or None, and their numbers there; of those that went nowhere, the ones that they have."""


@dataclass(slots=True)
class Done:
    """What became of the messages; ``is_all`` is False where there was no time for some."""

    folder: Folder | None = None
    uids: list[int] = field(default_factory=list)
    is_all: bool = True


async def batched(uids: Sequence[int]) -> Batches:
    """These messages."""
    for start in range(0, len(uids), AT_ONCE):
        yield list(uids[start : start + AT_ONCE])


async def whole(store: MailStore, folder_id: UUID, last: int, newer: Sequence[int] = ()) -> Batches:
    """Every message of a folder up to the UID ``last`` and these ``newer`` ones: what comes meanwhile is not meant."""
    first = 1
    while uids := await store.read(list_some_uids, folder_id, first, last, AT_ONCE):
        yield uids
        first = uids[-1] + 1
    async for uids in batched(newer):
        yield uids


async def in_steps(batches: Batches, do: Callable[[list[int]], Awaitable[Step]]) -> Done:
    """Do it to one batch after the other, to the first in any case."""
    done, clock = Done(), asyncio.get_running_loop().time
    until = clock() + _LONGEST_SECONDS
    begun = False
    async for uids in batches:
        if begun and clock() > until:
            done.is_all = False
            break
        begun = True
        done.folder, numbers = await do(uids)
        done.uids += numbers
    return done
