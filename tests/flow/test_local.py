"""Deliveries to mailboxes of ours: no relay is asked, and everything else is as with any other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text

from hourpost.flow.forward import Forwarding
from hourpost.flow.keep import Keeper
from hourpost.flow.leases import Leases
from hourpost.flow.local import LocalDelivery
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.store import MailStore
from tests.cast import make_account, make_domain
from tests.flow.rounds import Rounds

STORED = text(
    "SELECT f.name, m.content_id, (SELECT string_agg(c.bytes, ''::bytea ORDER BY c.number) FROM content_chunks c"
    "  WHERE c.content_id = m.content_id) AS bytes"
    " FROM messages m JOIN folders f ON f.id = m.folder_id WHERE f.mailbox_id = :mailbox"
)


@pytest_asyncio.fixture
async def local(rounds: Rounds, redis_url: str, hour) -> AsyncIterator[Rounds]:
    """A worker's world whose account has a domain with mailboxes."""
    store = MailStore(rounds.database, RedisFolderFeed(redis_url), rounds.clock)
    await store.start()
    keeper = Keeper(
        rounds.database, store, Forwarding(rounds.database, hour, rounds.office.bell.ring, rounds.clock), rounds.clock
    )
    rounds.local = LocalDelivery(rounds.database, keeper, rounds.clock, "me.test")
    rounds.account = await make_account(rounds.database)
    rounds.domain = await make_domain(rounds.database, rounds.account)
    yield rounds
    await rounds.stop()
    await store.stop()


async def new_mailbox(rounds: Rounds, name: str, quota_bytes: int = 1024**2):
    new = NewMailbox(f"{name}@{rounds.domain.name}", "no hash", name, quota_bytes)
    async with rounds.database.transaction() as connection:
        return await create_mailbox(connection, rounds.account.id, new, rounds.clock.now())


async def stored(rounds: Rounds, mailbox) -> list[object]:
    async with rounds.database.reading() as connection:
        return list((await connection.execute(STORED, {"mailbox": mailbox.id})).all())


async def kinds(rounds: Rounds, email_id, position: int = 0) -> list[str]:
    query = text("SELECT kind FROM events WHERE email_id = :id AND position = :position ORDER BY id")
    async with rounds.database.reading() as connection:
        return list((await connection.execute(query, {"id": email_id, "position": position})).scalars())


async def test_what_is_for_a_mailbox_of_ours_is_delivered_without_a_relay(local: Rounds):
    mailbox = await new_mailbox(local, "info")
    email_id = await local.post(mailbox.address, "you@far.test")
    ledger = await local.round()
    assert sorted(row.state for row in ledger.deliveries) == ["delivered", "sent"]
    assert [recipient for _, recipient in local.far_end.taken] == ["you@far.test"]
    assert await kinds(local, email_id) == ["queued", "sent", "delivered"]
    (message,) = await stored(local, mailbox)
    assert message.name == "INBOX"
    assert message.bytes.startswith(b"Return-Path: <bounces@acme.test>\r\nReceived: by me.test id em_")
    assert b"\r\n\r\n.Hello\r\n" in message.bytes
    (attempt, _) = await local.attempts(email_id)
    assert (attempt.relay, attempt.code) == ("mailbox", 250)


async def test_a_mailbox_just_made_has_what_its_own_domain_sends_it_at_once(local: Rounds):
    await local.post()
    await local.round()
    mailbox = await new_mailbox(local, "info")
    await local.post(mailbox.address, envelope_from=f"hi@{local.domain.name}")
    await local.round()
    assert len(await stored(local, mailbox)) == 1
    assert [recipient for _, recipient in local.far_end.taken] == ["you@far.test"]


async def test_a_mailbox_just_made_has_what_others_send_it(local: Rounds):
    await local.post()
    await local.round()
    mailbox = await new_mailbox(local, "info")
    await local.post(mailbox.address, envelope_from="hi@other.test")
    await local.round()
    assert len(await stored(local, mailbox)) == 1


async def test_an_address_that_has_no_mailbox_goes_by_the_relay(local: Rounds):
    await new_mailbox(local, "info")
    await local.post(f"nobody@{local.domain.name}")
    ledger = await local.round()
    assert [row.state for row in ledger.deliveries] == ["sent"]


async def test_test_mode_reaches_no_mailbox(local: Rounds):
    mailbox = await new_mailbox(local, "info")
    await local.post(mailbox.address, test=True)
    await local.round()
    assert await stored(local, mailbox) == []


async def test_several_mailboxes_share_one_content(local: Rounds):
    one, two = await new_mailbox(local, "one"), await new_mailbox(local, "two")
    await local.post(one.address, two.address)
    await local.round()
    (first,), (second,) = await stored(local, one), await stored(local, two)
    assert first.content_id == second.content_id


async def test_a_full_mailbox_defers_and_keeps_nobody_else_waiting(local: Rounds):
    full, info = await new_mailbox(local, "full", quota_bytes=10), await new_mailbox(local, "info")
    email_id = await local.post(full.address, info.address)
    ledger = await local.round()
    assert [row.state for row in sorted(ledger.deliveries, key=lambda row: row.position)] == ["deferred", "delivered"]
    (attempt, _) = await local.attempts(email_id)
    assert (attempt.code, attempt.enhanced) == (452, "4.2.2")
    await local.execute("UPDATE mailboxes SET quota_bytes = 1000000 WHERE id = :id", id=full.id)
    local.clock.advance(3600)
    ledger = await local.round()
    assert ledger.count("delivered") == 2
    assert [len(await stored(local, box)) for box in (full, info)] == [1, 1]


class Forgetful(Leases):
    """Stands for a worker that dies between the mailbox and its note of it."""

    async def settle(self, email, verdicts):
        return True


@pytest.mark.parametrize("count", [1, 2])
async def test_an_attempt_that_was_never_noted_is_found_again(local: Rounds, count: int):
    boxes = [await new_mailbox(local, f"box{number}") for number in range(count)]
    email_id = await local.post(*[box.address for box in boxes])

    def forget(leases: Leases) -> Leases:
        return Forgetful(leases._database, leases._clock, "forgetful", 30)

    local.start(before=forget)
    await local.until(lambda ledger: ledger.count("sending") == count)
    await local.stop()  # which lets what is in hand end
    await local.execute("UPDATE deliveries SET state = 'queued', lease = NULL WHERE email_id = :id", id=email_id)
    ledger = await local.round()
    assert ledger.count("delivered") == count
    assert [len(await stored(local, box)) for box in boxes] == [1] * count


async def test_a_message_that_runs_in_a_circle_bounces(local: Rounds):
    mailbox = await new_mailbox(local, "info")
    content = b"Received: from a by b\r\n" * 51 + b"From: hi@acme.test\r\n\r\nround\r\n"
    email_id = await local.post(mailbox.address, content=content)
    ledger = await local.round()
    assert [row.state for row in ledger.deliveries] == ["bounced"]
    assert await kinds(local, email_id) == ["queued", "bounced"]


async def test_an_answer_between_mailboxes_is_an_event_too(local: Rounds):
    mailbox = await new_mailbox(local, "info")
    first = await local.post(mailbox.address)
    await local.round()
    async with local.database.reading() as connection:
        found = await connection.execute(text("SELECT message_id FROM emails WHERE id = :id"), {"id": first})
        message_id = found.scalar_one()
    content = f"From: me@x.test\r\nIn-Reply-To: {message_id}\r\nMessage-ID: <r@x.test>\r\n\r\nyes\r\n".encode()
    await local.post(mailbox.address, content=content, message_id="<r@x.test>", envelope_from=mailbox.address)
    await local.round()
    assert (await kinds(local, first))[-1] == "replied"
