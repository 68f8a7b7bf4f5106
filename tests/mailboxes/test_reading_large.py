"""Large messages: read in part and as if in whole, one at a time for an account, and once for all who ask at once."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from hourpost.mailboxes import reading, readings
from hourpost.mailboxes.messages import Want, list_rows
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.reading import ReadableMessage, make_readable
from hourpost.mailboxes.readings import WHOLE_BYTES
from hourpost.mailboxes.store import MailStore
from hourpost.mailboxes.uid_ranges import ALL_UIDS
from hourpost.rules.ids import new_id
from hourpost.rules.mail.scan import scan
from tests.mailboxes.conftest import Place

HEAD = b"From: a@far.test\r\nSubject: S\r\nMIME-Version: 1.0\r\n"
BOMB = HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div><b><i><table><a>\r\n" * 500_000


def with_file(size_bytes: int, ending: bytes, *, is_closed: bool = True) -> bytes:
    file = base64.encodebytes(random.Random(size_bytes).randbytes(size_bytes)).replace(b"\n", ending)
    file = file if is_closed else file.removesuffix(ending)
    return (
        HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n'
        b"<p>Hello</p>\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + file + b"\r\n--b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Lunch\r\n"
        b"END:VEVENT\r\nEND:VCALENDAR\r\n--b\r\nContent-Type: application/zip; name=b.zip\r\n\r\n" + b"zip" * 50_000
        + b"\r\n--b--\r\n"
    )  # fmt: skip


async def read(store: MailStore, place: Place, uid: int) -> ReadableMessage:
    where = reading.Place(place.mailbox.account_id, place.inbox.id, uid)
    return await reading.read_message(store, where, lambda section: f"/{section}")


@pytest.mark.parametrize(
    "content",
    [
        *(with_file(1_000_000 + n, ending) for n in range(4) for ending in (b"\r\n", b"\n")),
        with_file(1_000_000, b"\r\n", is_closed=False),
        with_file(1_000_000, b""),
        HEAD + b"\r\n" + b"line\r\n" * 300_000,
        HEAD + b"Content-Type: multipart/mixed; boundary=never\r\n\r\n" + b"line\r\n" * 300_000,
    ],
    ids=range(12),
)
async def test_a_large_message_is_shown_as_if_all_of_it_was_read(
    store: MailStore, place: Place, content: bytes
) -> None:
    appended = await store.append(*place.ids, NewMessage(content))
    assert len(content) > WHOLE_BYTES
    found = await read(store, place, appended.uid)
    whole = make_readable(found.row, content, scan(content).parts, lambda section: f"/{section}", with_images=False)
    assert (found.html, found.files, found.invitation) == (whole.html, whole.files, whole.invitation)
    assert (found.fields, found.headers) == (whole.fields, whole.headers)
    assert (found.text or "")[:100_000] == (whole.text or "")[:100_000]


async def test_what_is_too_long_to_show_is_cut_and_says_so(store: MailStore, place: Place) -> None:
    appended = await store.append(*place.ids, NewMessage(BOMB))
    found = await read(store, place, appended.uid)
    assert found.is_cut
    assert 0 < len(found.html or "") < 1_200_000
    appended = await store.append(*place.ids, NewMessage(HEAD + b"\r\n" + b"x" * 600_000))
    assert (await read(store, place, appended.uid)).is_cut
    appended = await store.append(*place.ids, NewMessage(with_file(1_000_000, b"\r\n")))
    assert not (await read(store, place, appended.uid)).is_cut


async def test_of_a_large_message_little_is_fetched(store: MailStore, place: Place) -> None:
    appended = await store.append(*place.ids, NewMessage(with_file(5_000_000, b"\r\n")))
    row = (await store.read(list_rows, place.inbox.id, ALL_UIDS, Want.SIZE | Want.IDS))[0]
    content, _ = await store.read(readings.read_shown, appended.content_id, row.size_bytes)
    assert len(content) == row.size_bytes
    assert len(content.replace(b"\0", b"")) < 300_000


async def test_the_same_message_is_read_once_for_all_who_ask_at_once(
    store: MailStore, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    appended = await store.append(*place.ids, NewMessage(BOMB[:200_000]))
    times = 0

    async def count(work: Callable[[], Any]) -> Any:
        nonlocal times
        times += 1
        await asyncio.sleep(0.1)
        return work()

    monkeypatch.setattr(reading, "away", count)
    found = await asyncio.gather(*(read(store, place, appended.uid) for _ in range(8)))
    assert (len({one.html for one in found}), times) == (1, 1)


async def test_of_an_account_one_is_read_at_a_time_and_others_do_not_wait(store: MailStore) -> None:
    one, other = new_id(), new_id()
    async with store.readings.turn(one):
        await asyncio.wait_for(_take(store, other), 5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_take(store, one), 0.1)
    await asyncio.wait_for(_take(store, one), 5)


async def _take(store: MailStore, account_id: UUID) -> None:
    async with store.readings.turn(account_id):
        pass


async def test_what_is_gone_while_others_ask_is_told_to_all(store: MailStore) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError

    found = await asyncio.gather(*(store.readings.share("key", fail) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [KeyError] * 3
    assert store.readings._under_way == {}
