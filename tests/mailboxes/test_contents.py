"""The bytes of messages: as they came, whole and by slice."""

from __future__ import annotations

import pytest

from hourpost.database import Database
from hourpost.mailboxes.append_statements import CHUNK_BYTES
from hourpost.mailboxes.contents import Slice, read_content, read_contents, read_parts, read_slices, renew
from hourpost.mailboxes.messages import Want, list_rows
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.store import MailStore
from hourpost.mailboxes.uid_ranges import ALL_UIDS
from hourpost.rules.ids import new_id
from tests.mailboxes.conftest import Place
from tests.mailboxes.letters import letter

ODD = b"Subject: \xff\x00\xed\xa0\x80\r\nMessage-ID: \x00<\r\nTo: \x80, <>, a@b\r\n\r\n\x00\xff\r\n"
LARGE = letter(text="".join(f"{number:07}\r\n" for number in range(2 * CHUNK_BYTES // 9)))


@pytest.mark.parametrize("content", [letter(), LARGE, ODD, b"", b"\r\n", b"no header"], ids=range(6))
async def test_bytes_come_back_as_they_came(store: MailStore, place: Place, content: bytes) -> None:
    appended = await store.append(*place.ids, NewMessage(content))
    assert await store.read(read_content, appended.content_id) == content
    row = (await store.read(list_rows, place.inbox.id, ALL_UIDS, Want.SIZE | Want.BODYSTRUCTURE))[0]
    assert row.size_bytes == len(content)


async def test_slices_are_those_of_the_content(store: MailStore, place: Place) -> None:
    one = await store.append(*place.ids, NewMessage(LARGE))
    two = await store.append(*place.ids, NewMessage(letter(2)))
    content = {one.content_id: LARGE, two.content_id: letter(2)}
    edges = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, len(LARGE) - 1, len(LARGE), 2**31 - 1, 2**32)
    sizes = (0, 1, 2, CHUNK_BYTES, 2**31 - 1, 2**32)
    slices = [Slice(key, start, size) for key in content for start in edges for size in sizes]
    found = await store.read(read_slices, slices)
    for asked, got in zip(slices, found, strict=True):
        assert got == content[asked.content_id][asked.start : asked.start + asked.size], asked


async def test_what_is_gone_is_empty(store: MailStore) -> None:
    assert await store.read(read_slices, [Slice(new_id())]) == [b""]
    assert await store.read(read_contents, [new_id()]) == {}
    assert await store.read(read_parts, new_id()) is None


async def test_parts_lie_where_they_say(store: MailStore, place: Place) -> None:
    appended = await store.append(*place.ids, NewMessage(letter()))
    parts = await store.read(read_parts, appended.content_id)
    assert parts is not None
    assert letter()[parts[0].body_at :][: parts[0].body_size] == b"Hello.\r\n"


async def test_what_an_older_scanner_read_is_read_again(store: MailStore, place: Place, database: Database) -> None:
    appended = await store.append(*place.ids, NewMessage(letter()))
    parts = await store.read(read_parts, appended.content_id)
    async with database.hot_transaction() as connection:
        await connection.execute(
            "UPDATE message_contents SET parser_version = 0, parts = '', envelope = '' WHERE content_id = $1",
            appended.content_id,
        )
    assert await store.read(read_parts, appended.content_id) == parts
    row = (await store.read(list_rows, place.inbox.id, ALL_UIDS, Want.PARTS | Want.ENVELOPE))[0]
    assert row.envelope != b""
    assert await store.read(renew, appended.content_id) == parts
