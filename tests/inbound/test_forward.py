"""Mail that a mailbox sends on: an email of its account, that takes its tokens as any other, and never in a circle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from email import policy
from email.parser import BytesParser

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from hourpost.accounts.changes import set_plan
from hourpost.emails.changes import cancel_email
from hourpost.emails.of_mailbox import list_waiting
from hourpost.errors import MailboxFull
from hourpost.flow import limit
from hourpost.flow.accept import Intake
from hourpost.flow.filing import Filing
from hourpost.flow.release import Releaser
from hourpost.gateways.clock import SystemClock
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import to_text
from hourpost.suppressions.changes import add_suppressions
from tests.fakes.bell import Bell
from tests.flow.letters import letter, make_standing, order
from tests.inbound.house import House
from tests.inbound.test_receive import LETTER
from tests.inbound.test_reports import bounce, failed

FORWARDED = (
    "SELECT e.id, e.envelope_from, e.message_id, d.address, d.state, c.bytes FROM emails e"
    " JOIN deliveries d ON d.email_id = e.id JOIN content_chunks c ON c.content_id = e.content_id"
    " WHERE e.account_id = :account AND e.source = 'forward' ORDER BY e.id, d.position"
)


async def went_on(house: House) -> list[tuple[str, str]]:
    """Address and state of what was sent on."""
    return [(row.address, row.state) for row in await house.rows(FORWARDED, account=house.account.id)]


async def used(house: House, hour) -> tuple[int, int]:
    """What the bucket says is spent, and what it says waits; the rows agree."""
    assert (await Releaser(house.database, hour, Bell(), SystemClock()).look(house.account.id)).is_true
    reading = await limit.read(hour, house.database, house.account.id, 10)
    return reading.used, reading.waiting


async def give_limit(house: House, most: int) -> None:
    async with house.database.transaction() as connection:
        await set_plan(connection, house.account.id, "path", most)


@pytest_asyncio.fixture
async def intake(house: House, hour):
    one = Intake(house.database, hour, Bell(), SystemClock())
    yield one
    await one.stop()


async def test_a_copy_goes_on_at_once_as_the_account_s_own_email(house: House, hour, bell: Bell):
    info = await house.mailbox("info", forward_to=("a@far.example", "b@far.example"))
    await house.receive(LETTER, "info")
    assert len(await house.stored(info)) == 1
    rows = await house.rows(FORWARDED, account=house.account.id)
    assert [(row.address, row.state) for row in rows] == [("a@far.example", "queued"), ("b@far.example", "queued")]
    assert rows[0].envelope_from == info.address
    assert rows[0].message_id == "<1@far.example>"
    assert rows[0].bytes.startswith(f"Delivered-To: {info.address}\r\nReceived: ".encode())
    assert rows[0].bytes.endswith(LETTER)
    assert bell.rung == [rows[0].id]
    assert await used(house, hour) == (2, 0)


async def test_nobody_waits_behind_what_went_on(house: House, intake: Intake):
    await give_limit(house, 3)
    await house.mailbox("info", forward_to=("a@far.example",))
    await house.receive(LETTER, "info")
    receipt = await intake.accept(order(make_standing(house.account, 3), letter("a@x.test", "b@x.test")))
    assert [state for _, state in receipt.placed[0].recipients] == [State.QUEUED, State.QUEUED]


async def test_what_finds_no_room_is_held_and_then_released(house: House, hour, bell: Bell):
    await give_limit(house, 1)
    await house.mailbox("info", forward_to=("a@far.example", "b@far.example"))
    await house.receive(LETTER, "info")
    assert await went_on(house) == [("a@far.example", "queued"), ("b@far.example", "held")]
    assert await used(house, hour) == (1, 1)
    await give_limit(house, 2)
    releaser = Releaser(house.database, hour, bell, SystemClock())
    assert (await releaser.release(house.account.id)).released == 1
    assert len(bell.rung) == 2


async def test_what_goes_on_from_two_mailboxes_is_counted_together(house: House, hour):
    await give_limit(house, 1)
    await house.mailbox("one", forward_to=("a@far.example",))
    await house.mailbox("two", forward_to=("b@far.example",), keeps_forwarded=False)
    await house.receive(LETTER, "one", "two")
    assert await went_on(house) == [("a@far.example", "queued"), ("b@far.example", "held")]
    assert await used(house, hour) == (1, 1)


async def test_a_suppressed_address_gets_nothing_and_costs_nothing(house: House, hour):
    async with house.database.transaction() as connection:
        await add_suppressions(connection, house.account.id, ["gone@far.example"], SystemClock().now())
    await house.mailbox("info", forward_to=("gone@far.example", "a@far.example"))
    await house.receive(LETTER, "info")
    assert await went_on(house) == [("gone@far.example", "suppressed"), ("a@far.example", "queued")]
    assert await used(house, hour) == (1, 0)


@pytest.mark.parametrize("change", ["suspended_at = now()", "plan = NULL"])
async def test_what_may_not_leave_is_kept_until_it_may(house: House, change: str):
    await house.mailbox("info", forward_to=("a@far.example",))
    await house.change(f"UPDATE accounts SET {change} WHERE id = :id", id=house.account.id)
    await house.receive(LETTER, "info")
    assert await went_on(house) == [("a@far.example", "held")]


async def test_what_is_not_stored_costs_nothing(house: House, hour):
    await house.mailbox("info", forward_to=("a@far.example",), quota_bytes=1)
    with pytest.raises(MailboxFull):
        await house.receive(LETTER, "info")
    assert await went_on(house) == []
    assert await used(house, hour) == (0, 0)


async def test_a_full_waiting_room_turns_nothing_away_that_goes_on(house: House, hour, intake: Intake):
    await give_limit(house, 1)
    for _ in range(25):
        await intake.accept(order(make_standing(house.account, 1)))
    await house.mailbox("info", forward_to=("a@far.example",))
    await house.receive(LETTER, "info")
    assert await went_on(house) == [("a@far.example", "held")]
    assert await used(house, hour) == (1, 25)


class Overtaken:
    """An hour that is filled by somebody else right after tokens were taken, once or for ever."""

    def __init__(self, hour, fill: Callable[[], object]) -> None:
        self._hour, self._fill = hour, fill

    def __getattr__(self, name: str) -> object:
        return getattr(self._hour, name)

    async def take_many(self, takes):
        found = await self._hour.take_many(takes)
        if all(found):
            await self._fill()
        return found


async def test_tokens_of_a_bucket_that_was_replaced_are_taken_by_the_schedule(house: House, hour):
    """And the schedule is told: what is held may have room."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    teller = house.receiver._keeper._forwarding._teller
    teller._hour = Overtaken(hour, lambda: limit.fill(hour, house.database, house.account.id))
    await house.mailbox("info", forward_to=("a@far.example",))
    listener = await house.database.listen()
    try:
        await listener.add_listener("held", lambda *said: heard.put_nowait(said[-1]))
        await house.receive(LETTER, "info")
        assert await asyncio.wait_for(heard.get(), 60) == str(house.account.id)
    finally:
        await listener.close()
    assert await went_on(house) == [("a@far.example", "held")]
    assert await used(house, hour) == (0, 1)
    assert (await Releaser(house.database, hour, Bell(), SystemClock()).release(house.account.id)).released == 1


async def test_without_a_copy_nothing_stays(house: House):
    info = await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=False)
    await house.receive(LETTER, "info")
    assert await house.stored(info) == []
    assert len(await house.rows(FORWARDED, account=house.account.id)) == 1


async def sweep(house: House, mail_store) -> None:
    await Filing(house.database, mail_store, SystemClock(), "mx.test").sweep()


async def test_of_what_is_forwarded_to_a_suppressed_address_a_copy_stays_and_no_notice_comes(house: House, mail_store):
    async with house.database.transaction() as connection:
        await add_suppressions(connection, house.account.id, ["Gone@far.example"], SystemClock().now())
    info = await house.mailbox("info", forward_to=("a@far.example", "gone@far.example"), keeps_forwarded=False)
    await house.receive(LETTER, "info")
    await sweep(house, mail_store)
    (copy,) = await house.stored(info)
    assert copy.endswith(LETTER)


async def lose(house: House, state: str, position: int = 0, **detail: object) -> None:
    """What is written where it did not arrive."""
    (row,) = await house.rows("SELECT id FROM emails WHERE account_id = :account", account=house.account.id)
    await house.change(
        "UPDATE deliveries SET state = :state, changed_at = now() WHERE email_id = :id AND position = :position",
        state=state,
        id=row.id,
        position=position,
    )
    await house.change(
        "INSERT INTO events (email_id, id, position, account_id, kind, at, detail)"
        " SELECT :id, uuidv7(), :position, account_id, :state, now(), CAST(:detail AS jsonb) FROM emails"
        " WHERE id = :id",
        state=state,
        position=position,
        id=row.id,
        detail=json.dumps(detail),
    )


@pytest.mark.parametrize("state", ["bounced", "expired", "failed", "suppressed"])
@pytest.mark.parametrize("keeps", [True, False])
async def test_what_could_not_be_forwarded_is_told_once_and_comes_back_where_no_copy_is(
    house: House, mail_store, state: str, keeps: bool
):
    letter = LETTER + b"long\r\n" * 50_000
    info = await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=keeps)
    await house.receive(letter, "info", sender="")
    await lose(house, state, code=550, enhanced="5.1.1", reply="no such user")
    for _ in range(2):
        await sweep(house, mail_store)
    *copies, notice = await house.stored(info)
    assert len(copies) == keeps
    message = BytesParser(policy=policy.default).parsebytes(notice)
    assert message["Subject"] == "Not forwarded: hello"
    assert "a@far.example" in message.get_body().get_content()
    assert message.get_payload(2).get_content_type() == ("text/rfc822-headers" if keeps else "message/rfc822")
    assert (letter in notice) != keeps
    assert len(await house.rows("SELECT 1 FROM emails WHERE account_id = :account", account=house.account.id)) == 1


@pytest.mark.parametrize("keeps", [True, False])
async def test_a_forward_that_is_canceled_comes_back_where_no_copy_is(house: House, mail_store, keeps: bool):
    info = await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=keeps)
    await house.receive(LETTER, "info")
    (row,) = await house.rows(FORWARDED, account=house.account.id)
    async with house.database.transaction() as connection:
        await cancel_email(connection, house.account.id, row.id, SystemClock().now())
    for _ in range(2):
        await sweep(house, mail_store)
    (stored,) = await house.stored(info)
    assert LETTER in stored
    assert (b"It was canceled" in stored) != keeps


@pytest.mark.parametrize("keeps", [True, False])
async def test_a_forward_that_may_have_arrived_is_told_once_as_such(house: House, mail_store, keeps: bool):
    info = await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=keeps)
    await house.receive(LETTER, "info")
    await lose(house, "unknown")
    for _ in range(2):
        await sweep(house, mail_store)
    *copies, notice = await house.stored(info)
    assert len(copies) == keeps
    message = BytesParser(policy=policy.default).parsebytes(notice)
    assert message["Subject"] == "Perhaps not forwarded: hello"
    assert "may not have arrived at:" in message.get_body().get_content()
    assert (LETTER in notice) != keeps
    await lose(house, "bounced", source="report")
    await sweep(house, mail_store)
    assert len(await house.stored(info)) == 1 + keeps


async def test_what_comes_back_for_two_at_different_times_comes_back_once(house: House, mail_store):
    info = await house.mailbox("info", forward_to=("a@far.example", "b@far.example"), keeps_forwarded=False)
    await house.receive(LETTER, "info")
    await lose(house, "bounced", 0)
    await sweep(house, mail_store)
    await lose(house, "expired", 1)
    await sweep(house, mail_store)
    notices = await house.stored(info)
    assert [LETTER in one for one in notices] == [True, False]
    assert [b"b@far.example" in one for one in notices] == [False, True]


async def test_what_stays_for_one_who_is_suppressed_does_not_come_back_for_another(house: House, mail_store):
    async with house.database.transaction() as connection:
        await add_suppressions(connection, house.account.id, ["gone@far.example"], SystemClock().now())
    info = await house.mailbox("info", forward_to=("a@far.example", "gone@far.example"), keeps_forwarded=False)
    await house.receive(LETTER, "info")
    await lose(house, "bounced")
    await sweep(house, mail_store)
    copy, notice = await house.stored(info)
    assert copy.endswith(LETTER)
    assert b"A copy lies in this mailbox." in notice
    assert LETTER not in notice


async def test_a_notice_promises_no_copy_of_what_is_stored_no_more(house: House, mail_store):
    info = await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=False)
    await house.receive(LETTER, "info")
    await house.change(
        "DELETE FROM content_chunks c USING emails e WHERE e.content_id = c.content_id AND e.account_id = :id",
        id=house.account.id,
    )
    await lose(house, "bounced")
    await sweep(house, mail_store)
    (notice,) = await house.stored(info)
    assert b"No copy was kept, and it is stored no more." in notice


async def test_sweeps_at_the_same_time_tell_once(house: House, mail_store):
    info = await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=False)
    for _ in range(8):
        await house.receive(LETTER, "info")
    await house.change("UPDATE deliveries SET state = 'expired' WHERE account_id = :id", id=house.account.id)
    await asyncio.gather(*(sweep(house, mail_store) for _ in range(4)))
    assert len(await house.stored(info)) == 8


async def test_a_mailbox_that_is_restored_gets_back_what_was_lost_meanwhile(house: House, mail_store):
    info = await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=False)
    await house.receive(LETTER, "info")
    await house.change("UPDATE mailboxes SET deleted_at = now() WHERE id = :id", id=info.id)
    await lose(house, "bounced")
    await sweep(house, mail_store)
    assert await house.stored(info) == []
    await house.change("UPDATE mailboxes SET deleted_at = NULL WHERE id = :id", id=info.id)
    await sweep(house, mail_store)
    assert len(await house.stored(info)) == 1


async def test_what_lies_nowhere_else_comes_back_as_soon_as_there_is_room(house: House, mail_store):
    info = await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=False)
    await house.receive(LETTER, "info")
    await lose(house, "bounced")
    await house.change("UPDATE mailboxes SET used_bytes = quota_bytes WHERE id = :id", id=info.id)
    with capture_logs() as logs:
        await sweep(house, mail_store)
    assert [line["mailbox"] for line in logs if line["event"].endswith("has no room in its mailbox")] == [info.address]
    assert await house.stored(info) == []
    await house.change("UPDATE mailboxes SET used_bytes = 0 WHERE id = :id", id=info.id)
    await sweep(house, mail_store)
    assert len(await house.stored(info)) == 1


async def test_what_goes_on_is_looked_at_only_once_it_is_lost(house: House, mail_store):
    looked = "SELECT s.settled, s.looked_at FROM sent_copies s JOIN emails e ON e.id = email_id WHERE account_id = :id"
    await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=False)
    await house.receive(LETTER, "info")
    before = await house.rows(looked, id=house.account.id)
    await sweep(house, mail_store)
    assert await house.rows(looked, id=house.account.id) == before
    assert [row.settled for row in before] == [True]
    await house.change("UPDATE deliveries SET state = 'sent' WHERE account_id = :id", id=house.account.id)
    assert await house.rows(looked, id=house.account.id) == before
    await lose(house, "bounced")
    assert [row.settled for row in await house.rows(looked, id=house.account.id)] == [False]
    await sweep(house, mail_store)
    assert [row.settled for row in await house.rows(looked, id=house.account.id)] == [True]


@pytest.mark.parametrize("keeps", [True, False])
async def test_a_report_on_what_went_on_stays_here(house: House, mail_store, keeps: bool):
    """With what it is about, where no copy was kept: it returns as little as it likes."""
    info = await house.mailbox("info", forward_to=("a@far.example",), keeps_forwarded=keeps)
    await house.receive(LETTER, "info")
    (row,) = await house.rows(FORWARDED, account=house.account.id)
    await house.change("UPDATE deliveries SET state = 'sent' WHERE email_id = :id", id=row.id)
    await sweep(house, mail_store)
    report = bounce("<1@far.example>", failed("a@far.example"), envelope_id=to_text("em", row.id))
    await house.receive(report, "info", sender="")
    await sweep(house, mail_store)
    assert await went_on(house) == [("a@far.example", "bounced")]
    stored = await house.stored(info)
    assert sum(LETTER in one for one in stored) == 1
    assert sum(one.endswith(report) for one in stored) == 1
    assert len(stored) == 2


async def test_a_report_on_what_another_mailbox_has_sent_on_goes_on(house: House):
    await house.mailbox("info", forward_to=("a@far.example",))
    await house.mailbox("alice", forward_to=("alice@far.example",), keeps_forwarded=False)
    await house.receive(LETTER, "info")
    await house.receive(bounce("<1@far.example>", failed("carol@far.example")), "alice", sender="")
    assert ("alice@far.example", "queued") in await went_on(house)


async def test_other_reports_go_on_as_all_mail_does(house: House):
    await house.mailbox("info", forward_to=("a@far.example",))
    _, message_id = await house.sent("gone@far.example")
    await house.receive(bounce(message_id, failed("gone@far.example")), "info", sender="")
    assert await went_on(house) == [("a@far.example", "queued")]


async def test_what_goes_on_is_no_letter_of_the_mailbox_s_own_that_waits(house: House):
    info = await house.mailbox("info", forward_to=("a@far.example",))
    await house.receive(LETTER, "info")
    async with house.database.reading() as connection:
        assert await list_waiting(connection, info.account_id, info.id) == []


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
