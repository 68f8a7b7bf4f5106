"""A mailbox that answers by itself: people, once in seven days, and nobody else (RFC 3834, RFC 5230)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from hourpost.accounts.changes import set_plan
from hourpost.errors import MailboxFull
from hourpost.flow import limit
from hourpost.mailboxes import auto_replies
from hourpost.mailboxes.auto_replies import forget_auto_replied
from hourpost.mailboxes.changes import MailboxSettings, add_alias, set_auto_reply, update_mailbox
from hourpost.mailboxes.queries import Mailbox
from hourpost.rules.authentication import Authentication, Dmarc, Spf
from hourpost.rules.auto_reply import AutoReply
from tests.inbound.house import House

REPLIES = (
    "SELECT e.envelope_from, e.domain_id, d.address, d.state, c.bytes FROM emails e"
    " JOIN deliveries d ON d.email_id = e.id JOIN content_chunks c ON c.content_id = e.content_id"
    " WHERE e.account_id = :account AND e.source = 'auto_reply' ORDER BY e.id"
)
TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)


async def away(house: House, name: str = "info", reply: AutoReply | None = None, **settings) -> Mailbox:
    """A mailbox whose owner is away."""
    made = await house.mailbox(name, **settings)
    async with house.database.transaction() as connection:
        return await set_auto_reply(connection, house.account.id, made.id, reply or AutoReply("I am away."))


def letter(to: str, *more: str, sender: str = "ada@far.example") -> bytes:
    lines = [f"From: Ada <{sender}>", f"To: {to}", "Subject: hello", "Message-ID: <1@far.example>", *more]
    return "\r\n".join([*lines, "", "When?", ""]).encode()


async def replies(house: House) -> list[str]:
    """Who was told."""
    return [row.address for row in await house.rows(REPLIES, account=house.account.id)]


async def test_a_person_is_told_as_the_rules_have_it(house: House, bell):
    info = await away(house)
    async with house.database.transaction() as connection:
        await update_mailbox(connection, house.account.id, info.id, MailboxSettings(name="In, Fo"))
    await house.receive(letter(info.address, "References: <0@far.example>"), "info")
    (row,) = await house.rows(REPLIES, account=house.account.id)
    assert (row.envelope_from, row.address, row.state) == ("", "ada@far.example", "queued")
    assert row.domain_id == house.domain.id
    told = message_from_bytes(row.bytes, EmailMessage, policy=policy.default)
    assert told["From"].addresses[0].addr_spec == info.address
    assert told["From"].addresses[0].display_name == "In, Fo"
    assert told["To"] == "ada@far.example"
    assert told["Subject"] == "Auto: hello"
    assert told["Auto-Submitted"] == "auto-replied"
    assert told["In-Reply-To"] == "<1@far.example>"
    assert told["References"] == "<0@far.example> <1@far.example>"
    assert told.get_content().strip() == "I am away."
    assert len(bell.rung) == 1
    assert len(await house.stored(info)) == 1


async def test_each_is_told_once_in_seven_days_and_again_of_something_else(house: House):
    info = await away(house)
    for sender in ("ada@far.example", "Ada@far.example", "bob@far.example", "ada@far.example"):
        await house.receive(letter(info.address), "info", sender=sender)
    assert await replies(house) == ["ada@far.example", "bob@far.example"]
    week_ago = "UPDATE auto_replied SET replied_at = replied_at - interval '7 days' WHERE address = :who"
    await house.change(f"{week_ago} AND mailbox_id = :id", id=info.id, who="bob@far.example")
    for sender in ("ada@far.example", "bob@far.example"):
        await house.receive(letter(info.address), "info", sender=sender)
    assert (await replies(house))[2:] == ["bob@far.example"]
    async with house.database.transaction() as connection:
        await set_auto_reply(connection, house.account.id, info.id, AutoReply("Still away.", "Away"))
    await house.receive(letter(info.address), "info")
    assert (await replies(house))[3:] == ["ada@far.example"]


async def test_two_messages_at_once_are_answered_once(house: House):
    info = await away(house)
    await asyncio.gather(*(house.receive(letter(info.address), "info") for _ in range(4)))
    assert await replies(house) == ["ada@far.example"]
    assert len(await house.stored(info)) == 4


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-generated",
        "Auto-Submitted: auto-replied (vacation)",
        "X-Autoreply: yes",
        "List-Id: <news.far.example>",
        "List-Unsubscribe: <https://far.example/u>",
        "Precedence: bulk",
        "X-Auto-Response-Suppress: DR, OOF",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=x",
    ],
)
async def test_what_no_person_wrote_is_not_answered(house: House, header: str):
    info = await away(house)
    await house.receive(letter(info.address, header), "info")
    assert await replies(house) == []


@pytest.mark.parametrize(
    "sender",
    ["", "mailer-daemon", "no-reply", "news-request", "owner-news", "news-bounces+ada=x.test", "postmaster", "Bounce"],
)
async def test_addresses_of_machines_are_not_answered(house: House, sender: str):
    info = await away(house)
    await house.receive(letter(info.address), "info", sender=sender and f"{sender}@far.example")
    assert await replies(house) == []


async def test_nobody_is_answered_who_wrote_to_others_or_is_oneself(house: House):
    info = await away(house)
    alias = f"sales@{house.domain.name}"
    async with house.database.transaction() as connection:
        await add_alias(connection, house.account.id, info.id, alias, datetime.now(UTC))
    await house.receive(letter("a-list@far.example"), "info")
    for own in (info.address, alias):
        await house.receive(letter(info.address), "info", sender=own)
    assert await replies(house) == []
    await house.receive(letter(f"someone@far.example, Sales <{alias.upper()}>"), "sales")
    (row,) = await house.rows(REPLIES, account=house.account.id)
    assert f"From: info <{alias}>".encode() in row.bytes


async def test_whose_name_may_be_used_by_another_is_not_answered(house: House):
    info = await away(house)
    for found in (
        Authentication(Spf("fail", "far.example"), (), Dmarc("none", "far.example")),
        Authentication(Spf("none", "far.example"), (), Dmarc("fail", "far.example", "quarantine")),
    ):
        house.authentication.found = found
        await house.receive(letter(info.address), "info")
    assert await replies(house) == []


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [(TODAY - DAY, TODAY + DAY, 1), (None, TODAY + DAY, 1), (TODAY + 2 * DAY, None, 0), (None, TODAY - 2 * DAY, 0)],
)
async def test_it_answers_on_its_days(house: House, first, last, count: int):
    info = await away(house, reply=AutoReply("Away.", "Away", first, last, "Europe/Berlin"))
    await house.receive(letter(info.address), "info")
    assert len(await replies(house)) == count


async def test_it_takes_a_token_and_waits_for_one(house: House, hour):
    async with house.database.transaction() as connection:
        await set_plan(connection, house.account.id, "path", 2)
    info = await away(house, forward_to=("copy@far.example",))
    for sender in ("ada@far.example", "bob@far.example"):
        await house.receive(letter(info.address), "info", sender=sender)
    states = {row.address: row.state for row in await house.rows(REPLIES, account=house.account.id)}
    assert states == {"ada@far.example": "queued", "bob@far.example": "held"}
    reading = await limit.read(hour, house.database, house.account.id, 10)
    assert (reading.used, reading.waiting) == (2, 2)


async def test_a_full_mailbox_and_one_that_has_told_many_tell_nobody(house: House, monkeypatch: pytest.MonkeyPatch):
    small = await away(house, "small", quota_bytes=10)
    with pytest.raises(MailboxFull):
        await house.receive(letter(small.address), "small")
    info = await away(house)
    monkeypatch.setattr(auto_replies, "MOST_A_DAY", 2)
    for name in "abc":
        await house.receive(letter(info.address), "info", sender=f"{name}@far.example")
    assert await replies(house) == ["a@far.example", "b@far.example"]


async def test_whom_it_told_long_ago_is_forgotten(house: House):
    info = await away(house)
    await house.receive(letter(info.address), "info")
    async with house.database.hot_transaction() as connection:
        await forget_auto_replied(connection, datetime.now(UTC) + 8 * DAY, 1000)
    assert await house.rows("SELECT 1 FROM auto_replied WHERE mailbox_id = :id", id=info.id) == []
