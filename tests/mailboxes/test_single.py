"""One message by itself is one statement; what it cannot store leaves nothing behind."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from hourpost.errors import MailboxFull, NotFound
from hourpost.mailboxes import append_statements
from hourpost.mailboxes.messages import Want, list_rows
from hourpost.mailboxes.parcels import NewMessage, Target
from hourpost.mailboxes.quota import get_quota
from hourpost.mailboxes.uid_ranges import ALL_UIDS

LETTER = NewMessage(b"From: a@b.test\r\nMessage-ID: <1@b.test>\r\nSubject: Hello\r\n\r\nText.\r\n")
ANSWER = NewMessage(b"From: a@b.test\r\nMessage-ID: <2@b.test>\r\nIn-Reply-To: <1@b.test>\r\n\r\nText.\r\n")


async def count_contents(store, content_ids):
    async def count(connection):
        tables = ("content_chunks", "message_contents", "message_texts")
        counts = [
            await connection.fetchval(f"SELECT count(*) FROM {table} WHERE content_id = ANY($1)", content_ids)
            for table in tables
        ]
        return sum(counts)

    return await store.read(count)


def with_id(content_id):
    return NewMessage(LETTER.content, content_id=content_id)


async def test_it_is_stored_with_its_content_and_counted(store, place):
    content_id = uuid4()
    appended = await store.append(*place.ids, with_id(content_id))
    assert (appended.uid, appended.content_id) == (1, content_id)
    assert await count_contents(store, [content_id]) == 3
    assert (await store.read(get_quota, place.mailbox.id)).used_bytes == len(LETTER.content)


async def test_an_answer_belongs_to_the_thread_of_what_it_answers(store, place):
    for new in (LETTER, ANSWER):
        await store.append(*place.ids, new)
    rows = await store.read(list_rows, place.inbox.id, ALL_UIDS, Want.IDS)
    assert {row.thread_id for row in rows} == {rows[0].content_id}


@pytest.mark.parametrize("missing", ["room", "folder", "folder of this mailbox"])
async def test_without_room_or_folder_nothing_is_stored(store, new_place, missing):
    place, other = await new_place(quota_bytes=10 if missing == "room" else 1024**3), await new_place()
    folder_id = {"room": place.inbox.id, "folder": uuid4()}.get(missing, other.inbox.id)
    content_id = uuid4()
    with pytest.raises(MailboxFull if missing == "room" else NotFound):
        await store.append(place.mailbox.id, folder_id, with_id(content_id))
    assert await count_contents(store, [content_id]) == 0
    assert (await store.read(get_quota, place.mailbox.id)).used_bytes == 0


async def test_of_a_full_mailbox_postgresql_has_nothing_to_complain(store, new_place, monkeypatch):
    monkeypatch.setattr(append_statements, "DivisionByZeroError", ())  # which is for who comes in between alone
    place = await new_place(quota_bytes=10)
    with pytest.raises(MailboxFull):
        await store.append(*place.ids, LETTER)


async def test_single_messages_and_several_of_one_thread_do_not_lock_each_other_out(open_store, place):
    stores = [await open_store() for _ in range(3)]
    tries = [
        store.append_all(*place.ids, [LETTER, ANSWER][: 1 + number % 2]) for number in range(10) for store in stores
    ]
    found = await asyncio.wait_for(asyncio.gather(*tries), 60)
    assert sorted(one.uid for some in found for one in some) == list(range(1, 46))


@pytest.mark.parametrize("news", [[LETTER], [LETTER, ANSWER]])
async def test_a_folder_that_must_have_a_name_has_it_or_takes_nothing(store, place, news):
    assert len(await store.append_to(Target(*place.ids, name="INBOX"), news)) == len(news)
    with pytest.raises(NotFound):
        await store.append_to(Target(*place.ids, name="Old"), news)
    assert len(await store.read(list_rows, place.inbox.id, ALL_UIDS)) == len(news)


async def test_of_those_who_come_together_each_goes_by_its_own_name(store, place):
    names = ["Old", "INBOX", None, "Older", "INBOX"] * 2
    tries = [store.append_to(Target(*place.ids, name=name), [LETTER]) for name in names]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert [isinstance(one, NotFound) for one in found] == [name in ("Old", "Older") for name in names]
    assert len(await store.read(list_rows, place.inbox.id, ALL_UIDS)) == 6
