"""Mail that a mailbox sends on: an email of its account, held until the hour has room, and never in a circle."""

from __future__ import annotations

import asyncio

from hourpost.flow.release import Releaser
from hourpost.gateways.clock import SystemClock
from tests.fakes.bell import Bell
from tests.inbound.house import House
from tests.inbound.test_receive import LETTER

FORWARDED = (
    "SELECT e.id, e.envelope_from, e.message_id, d.address, d.state, c.bytes FROM emails e"
    " JOIN deliveries d ON d.email_id = e.id JOIN content_chunks c ON c.content_id = e.content_id"
    " WHERE e.account_id = :account AND e.source = 'forward' ORDER BY d.position"
)


async def test_a_copy_goes_on_as_the_account_s_own_email(house: House, hour):
    info = await house.mailbox("info", forward_to=("a@far.example", "b@far.example"))
    await house.receive(LETTER, "info")
    assert len(await house.stored(info)) == 1
    rows = await house.rows(FORWARDED, account=house.account.id)
    assert [(row.address, row.state) for row in rows] == [("a@far.example", "held"), ("b@far.example", "held")]
    assert rows[0].envelope_from == info.address
    assert rows[0].message_id == "<1@far.example>"
    assert rows[0].bytes.startswith(f"Delivered-To: {info.address}\r\nReceived: ".encode())
    assert rows[0].bytes.endswith(LETTER)
    bell = Bell()
    releaser = Releaser(house.database, hour, bell, SystemClock())
    assert (await releaser.release(house.account.id)).released == 2
    assert bell.rung == [rows[0].id]


async def test_the_schedule_is_told_that_something_goes_on(house: House):
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await house.database.listen()
    try:
        await listener.add_listener("held", lambda *said: heard.put_nowait(said[-1]))
        await house.mailbox("info", forward_to=("a@far.example",))
        await house.receive(LETTER, "info")
        assert await asyncio.wait_for(heard.get(), 60) == str(house.account.id)
    finally:
        await listener.close()


async def test_without_a_copy_nothing_stays(house: House):
    info = await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=False)
    await house.receive(LETTER, "info")
    assert await house.stored(info) == []
    assert len(await house.rows(FORWARDED, account=house.account.id)) == 1


async def test_what_has_been_here_goes_on_no_more(house: House):
    info = await house.mailbox("info", forward_to=("a@far.example",))
    await house.receive(f"Delivered-To: {info.address}\r\n".encode() + LETTER, "info")
    assert len(await house.stored(info)) == 1
    assert await house.rows(FORWARDED, account=house.account.id) == []


async def test_what_came_round_in_a_circle_stays_where_no_copies_are_kept(house: House):
    info = await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=False)
    await house.receive(f"Delivered-To: {info.address}\r\n".encode() + LETTER, "info")
    assert len(await house.stored(info)) == 1
    assert await house.rows(FORWARDED, account=house.account.id) == []


async def test_nobody_hears_of_a_bounce_that_cannot_go_on(house: House):
    await house.mailbox("info", forward_to=("a@far.example",))
    await house.receive(LETTER, "info", sender="")
    (row,) = await house.rows(FORWARDED, account=house.account.id)
    assert row.envelope_from == ""
