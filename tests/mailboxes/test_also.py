"""What goes with a message is written in its transaction, or neither is."""

from __future__ import annotations

import asyncio

import pytest
from asyncpg import Connection

from hourpost.errors import Forbidden, MailboxFull
from hourpost.mailboxes.messages import list_uids
from hourpost.mailboxes.parcels import NewMessage, Target

LETTER = NewMessage(b"Subject: hello\r\n\r\nhello\r\n")


async def refuse(connection: Connection) -> None:
    raise Forbidden("restricted_api_key", "not today")


async def test_what_goes_with_a_message_is_refused_with_it_and_takes_nobody_along(store, place):
    target = Target(*place.ids)
    plain, refused, other = await asyncio.gather(
        store.deliver(LETTER, [target]),
        store.deliver(LETTER, [target], also=refuse),
        store.deliver(LETTER, [target]),
        return_exceptions=True,
    )
    assert isinstance(refused, Forbidden)
    assert {plain[0].uid, other[0].uid} == set(await store.read(list_uids, place.inbox.id))


async def test_what_goes_with_a_message_sees_it_stored(store, place):
    seen = []

    async def look(connection: Connection) -> None:
        seen.append(await connection.fetchval("SELECT count(*) FROM messages WHERE folder_id = $1", place.inbox.id))

    await store.deliver(LETTER, [Target(*place.ids)], also=look)
    assert seen == [1]


@pytest.mark.parametrize("is_whole", [True, False])
async def test_a_full_mailbox_keeps_a_whole_message_from_the_others(store, new_place, is_whole):
    full, empty = await new_place(quota_bytes=10), await new_place()
    outcomes = await store.deliver(LETTER, [Target(*full.ids), Target(*empty.ids)], is_whole=is_whole)
    assert isinstance(outcomes[0], MailboxFull)
    assert len(await store.read(list_uids, empty.inbox.id)) == (0 if is_whole else 1)
