"""What was sent from a mailbox's address lies in its Sent folder, and shows there what became of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from email import policy
from email.parser import BytesParser

import pytest
import pytest_asyncio
from sqlalchemy import text

from hourpost.flow import filing
from hourpost.flow.filing import Filing
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.folders import find_special_folder
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.store import MailStore
from hourpost.rules.bounces import Action, read_report
from hourpost.rules.incoming import read_incoming
from hourpost.rules.mime import format_date
from tests.cast import make_account, make_domain
from tests.flow.letters import letter, make_standing, order
from tests.flow.rounds import Rounds

COPIES = text(
    "SELECT m.uid, m.flags, m.keywords, c.message_id FROM messages m JOIN folders f ON f.id = m.folder_id"
    " JOIN message_contents c ON c.content_id = m.content_id"
    " WHERE f.mailbox_id = :mailbox AND f.special_use = 'sent' ORDER BY m.uid"
)


class Desk:
    """A mailbox and the sweep that files for it."""

    def __init__(self, rounds: Rounds, store: MailStore) -> None:
        self.rounds = rounds
        self.store = store
        self.filing = Filing(rounds.database, store, rounds.clock, "mx.test")

    async def open(self) -> None:
        rounds = self.rounds
        rounds.account = await make_account(rounds.database)
        domain = await make_domain(rounds.database, rounds.account)
        new = NewMailbox(f"hi@{domain.name}", "no hash", "Hi")
        async with rounds.database.transaction() as connection:
            self.mailbox = await create_mailbox(connection, rounds.account.id, new, rounds.clock.now())

    async def send(self, *recipients: str, kind: str = "api_key", **changes: object):
        """Accept an email from the mailbox's address."""
        mail = letter(*recipients, from_address=self.mailbox.address.title(), **changes)
        standing = replace(
            make_standing(self.rounds.account), kind=kind, files_for={self.mailbox.address: self.mailbox.id}
        )
        await self.rounds.office.intake.accept(order(standing, mail))
        return mail

    async def sweep(self) -> list[tuple[int, list[str]]]:
        """What lies in Sent afterwards: flags and keywords of each message."""
        await self.filing.sweep()
        names = await self.store.keyword_names(self.mailbox.id)
        async with self.rounds.database.reading() as connection:
            rows = (await connection.execute(COPIES, {"mailbox": self.mailbox.id})).all()
        return [(row.flags, [names[number] for number in row.keywords or ()]) for row in rows]


@pytest_asyncio.fixture
async def desk(rounds: Rounds, redis_url: str) -> AsyncIterator[Desk]:
    store = MailStore(rounds.database, RedisFolderFeed(redis_url), rounds.clock)
    await store.start()
    one = Desk(rounds, store)
    await one.open()
    yield one
    await rounds.stop()
    await store.stop()


async def test_what_is_sent_is_filed_as_read_and_shows_that_it_was_delivered(desk: Desk):
    await desk.send("you@far.test")
    assert await desk.sweep() == [(1, [])]
    await desk.rounds.round()
    assert await desk.sweep() == [(1, ["$Delivered"])]
    (copy,) = await settled(desk)
    assert copy.settled


async def test_sweeps_at_the_same_time_file_one_copy(desk: Desk):
    await desk.send("you@far.test")
    await desk.send("me@far.test")
    other = Filing(desk.rounds.database, desk.store, desk.rounds.clock, "mx.test")
    await asyncio.gather(desk.filing.sweep(), other.sweep(), desk.filing.sweep())
    await desk.rounds.round()
    assert await desk.sweep() == [(1, ["$Delivered"])] * 2


async def test_a_late_bounce_changes_what_it_shows(desk: Desk):
    mail = await desk.send("you@far.test")
    await desk.rounds.round()
    assert await desk.sweep() == [(1, ["$Delivered"])]
    await desk.rounds.execute("UPDATE deliveries SET state = 'bounced' WHERE email_id = :id", id=mail.email_id)
    await desk.rounds.execute("UPDATE sent_copies SET settled = false WHERE email_id = :id", id=mail.email_id)
    assert await desk.sweep() == [(1, ["$Bounced"])]


async def test_what_waits_for_another_attempt_is_deferred(desk: Desk):
    mail = await desk.send("you@far.test", "me@far.test")
    await desk.rounds.execute(
        "UPDATE deliveries SET state = 'deferred' WHERE email_id = :id AND position = 0", id=mail.email_id
    )
    assert await desk.sweep() == [(1, ["$Deferred"])]
    (copy,) = await settled(desk)
    assert not copy.settled


async def test_the_copy_that_a_mail_client_files_itself_is_found(desk: Desk):
    mail = await desk.send("you@far.test", kind="mailbox")
    assert await desk.sweep() == []
    sent = await desk.store.read(find_special_folder, desk.mailbox.id, "sent")
    await desk.store.append(desk.mailbox.id, sent.id, NewMessage(mail.content))
    await desk.rounds.round()
    assert await desk.sweep() == [(0, ["$Delivered"])]


async def test_for_a_client_that_files_nothing_it_is_done_after_ten_minutes(desk: Desk):
    await desk.send("you@far.test", kind="mailbox")
    await desk.rounds.round()
    desk.rounds.clock.advance(599)
    assert await desk.sweep() == []
    desk.rounds.clock.advance(2)
    assert await desk.sweep() == [(1, ["$Delivered"])]
    (copy,) = await settled(desk)
    assert copy.settled


async def test_nothing_is_filed_where_the_mailbox_does_not_want_it(desk: Desk):
    await desk.rounds.execute("UPDATE mailboxes SET files_sent = false")
    await desk.send("you@far.test", kind="mailbox")
    desk.rounds.clock.advance(601)
    assert await desk.sweep() == []


async def test_a_copy_that_the_client_files_elsewhere_is_the_copy(desk: Desk):
    mail = await desk.send("you@far.test", kind="mailbox")
    archive = await desk.store.read(find_special_folder, desk.mailbox.id, "archive")
    await desk.store.append(desk.mailbox.id, archive.id, NewMessage(mail.content))
    await desk.rounds.round()
    desk.rounds.clock.advance(601)
    assert await desk.sweep() == []
    (copy,) = await settled(desk)
    assert copy.outcome == ["$Delivered"]


async def test_a_sent_folder_that_is_gone_is_made_again_for_what_is_filed(desk: Desk):
    await desk.send("you@far.test")
    await desk.store.delete_folder(desk.mailbox.id, "Sent")
    await desk.rounds.round()
    assert await desk.sweep() == [(1, ["$Delivered"])]


async def test_a_sent_folder_that_is_deleted_while_something_is_filed_is_made_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    await desk.send("you@far.test")
    deliver = desk.store.deliver

    async def deliver_late(*arguments, **named):
        monkeypatch.undo()
        await desk.store.delete_folder(desk.mailbox.id, "Sent")
        return await deliver(*arguments, **named)

    monkeypatch.setattr(desk.store, "deliver", deliver_late)
    assert await desk.sweep() == [(1, [])]


async def test_who_has_no_sent_folder_and_no_room_for_one_hears_of_a_late_loss_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    mail = await desk.send("gone@far.test", kind="mailbox")
    await desk.store.delete_folder(desk.mailbox.id, "Sent")
    monkeypatch.setattr("hourpost.mailboxes.folder_changes.MOST_FOLDERS", 5)
    desk.rounds.clock.advance(601)
    assert await desk.sweep() == []
    await lose(desk, mail.email_id, 0, "bounced", code=550, enhanced="5.1.1", reply="no such user")
    await desk.sweep()
    assert len(await inbox(desk)) == 1


async def lose(desk: Desk, email_id, position: int, state: str, **detail: object) -> None:
    """What a worker writes when a server refuses."""
    await desk.rounds.execute(
        "UPDATE deliveries SET state = :state WHERE email_id = :id AND position = :position",
        id=email_id,
        state=state,
        position=position,
    )
    await desk.rounds.execute(
        "INSERT INTO events (email_id, id, position, account_id, kind, at, detail)"
        " SELECT :id, uuidv7(), :position, account_id, :state, now(), CAST(:detail AS jsonb)"
        " FROM emails WHERE id = :id",
        id=email_id,
        state=state,
        position=position,
        detail=json.dumps(detail),
    )


async def inbox(desk: Desk) -> list[bytes]:
    query = text(
        "SELECT c.bytes FROM messages m JOIN folders f ON f.id = m.folder_id"
        " JOIN content_chunks c ON c.content_id = m.content_id"
        " WHERE f.mailbox_id = :mailbox AND f.name = 'INBOX' ORDER BY m.uid"
    )
    async with desk.rounds.database.reading() as connection:
        return [bytes(row) for row in (await connection.execute(query, {"mailbox": desk.mailbox.id})).scalars()]


async def test_who_sends_from_a_mailbox_is_told_there_what_is_lost_and_only_once(desk: Desk):
    mail = await desk.send("gone@far.test", "slow@far.test", kind="mailbox", subject="Grüße")
    await lose(desk, mail.email_id, 0, "bounced", code=550, enhanced="5.1.1", reply="no such user")
    for _ in range(2):
        await desk.sweep()
    (notice,) = await inbox(desk)
    message = BytesParser(policy=policy.default).parsebytes(notice)
    assert message["Subject"] == "Not delivered: Grüße"
    assert (message["Return-Path"], message["Auto-Submitted"]) == ("<>", "auto-replied")
    assert "There is no mailbox of that name" in message.get_body().get_content()
    report = read_report(notice, read_incoming(notice), is_null_sender=True)
    assert report is not None
    assert report.message_id == mail.message_id
    assert [(one.address, one.status, one.code) for one in report.recipients] == [("gone@far.test", "5.1.1", 550)]
    await lose(desk, mail.email_id, 1, "expired", reason="no relay took it within 72 hours")
    await desk.sweep()
    assert [b"slow@far.test" in one for one in await inbox(desk)] == [False, True]


async def test_among_many_letters_each_has_its_turn(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(filing, "_LOOKED_AT_ONCE", 2)
    for number in range(6):
        mail = await desk.send(f"{number}@far.test", kind="mailbox")
        desk.rounds.clock.advance(1)
    await lose(desk, mail.email_id, 0, "bounced", code=550)
    for _ in range(3):
        desk.rounds.clock.advance(2)
        await desk.sweep()
    assert len(await inbox(desk)) == 1


@pytest.mark.parametrize(
    ("kind", "parts", "detail"),
    [
        ("api_key", {}, {}),
        ("mailbox", {"dsn": {"recipients": {"gone@far.test": {"notify": ["NEVER"]}}}}, {}),
        ("mailbox", {}, {"source": "report"}),
    ],
)
async def test_whom_no_notice_is_for_gets_none(desk: Desk, kind: str, parts: dict, detail: dict):
    mail = await desk.send("gone@far.test", kind=kind, parts={"to": [], **parts})
    await lose(desk, mail.email_id, 0, "bounced", **detail)
    await desk.sweep()
    assert await inbox(desk) == []


async def wish(desk: Desk, notify: list[str], **said: object):
    """An email to one recipient with these wishes about reports."""
    recipients = {"you@far.test": {"notify": notify, "orcpt": "rfc822;y+2Bou@far.test"}}
    return await desk.send("you@far.test", kind="mailbox", parts={"to": [], "dsn": {"recipients": recipients, **said}})


@pytest.mark.parametrize(
    ("state", "detail", "action"),
    [
        ("delivered", {}, "delivered"),
        ("sent", {"reply": "250 taken"}, "relayed"),
        ("sent", {"reports": "relay"}, None),  # the relay will tell
        ("delivered", {"source": "report"}, None),  # it has told
    ],
)
async def test_who_asked_to_hear_of_success_hears_it_once(desk: Desk, state: str, detail: dict, action: str | None):
    mail = await wish(desk, ["SUCCESS", "FAILURE"], envid="QQ+2B1")
    await lose(desk, mail.email_id, 0, state, **detail)
    for _ in range(2):
        await desk.sweep()
    notices = await inbox(desk)
    assert len(notices) == (action is not None)
    for notice in notices:
        message = BytesParser(policy=policy.default).parsebytes(notice)
        assert message["Subject"].startswith("Delivered: ")
        fields = message.get_payload(1).as_string()
        assert f"Action: {action}\n" in fields
        assert "Original-Envelope-Id: QQ+1\n" in fields
        assert "Original-Recipient: rfc822; y+ou@far.test\n" in fields


async def test_who_asked_to_hear_of_a_delay_hears_it_once_and_then_what_became_of_it(desk: Desk):
    mail = await wish(desk, ["DELAY", "FAILURE"], envid="QQ+2B1")
    leaves_at = desk.rounds.clock.now()
    await lose(desk, mail.email_id, 0, "deferred", code=451, enhanced="4.7.1", reply="greylisted")
    desk.rounds.clock.advance(4 * 3600 - 1)
    await desk.sweep()
    assert await inbox(desk) == []
    desk.rounds.clock.advance(2)
    for _ in range(2):
        await desk.sweep()
    (notice,) = await inbox(desk)
    message = BytesParser(policy=policy.default).parsebytes(notice)
    assert message["Subject"] == "Delayed: hello"
    assert "it is tried until" in message.get_body().get_content()
    fields = message.get_payload(1).as_string()
    assert "Action: delayed\nStatus: 4.7.1\n" in fields
    assert f"Will-Retry-Until: {format_date(leaves_at + timedelta(hours=72))}\n" in fields
    report = read_report(notice, read_incoming(notice), is_null_sender=True)
    assert [one.action for one in report.recipients] == [Action.DELAYED]
    await lose(desk, mail.email_id, 0, "expired", reason="no relay took it within 72 hours")
    await desk.sweep()
    assert [b"Subject: Not delivered" in one for one in await inbox(desk)] == [False, True]


@pytest.mark.parametrize("notify", [[], ["FAILURE", "SUCCESS"], ["NEVER"]])
async def test_a_delay_is_told_to_nobody_who_did_not_ask(desk: Desk, notify: list[str]):
    mail = await wish(desk, notify)
    await lose(desk, mail.email_id, 0, "deferred")
    desk.rounds.clock.advance(5 * 3600)
    await desk.sweep()
    assert await inbox(desk) == []


async def test_success_is_told_to_nobody_who_did_not_ask(desk: Desk):
    for notify in ([], ["FAILURE"], ["NEVER"]):
        mail = await wish(desk, notify)
        await lose(desk, mail.email_id, 0, "delivered")
    await desk.sweep()
    assert await inbox(desk) == []


@pytest.mark.parametrize(("ret", "kind"), [("FULL", "message/rfc822"), ("HDRS", "text/rfc822-headers")])
async def test_a_notice_returns_as_much_of_the_mail_as_was_asked_for(desk: Desk, ret: str, kind: str):
    mail = await wish(desk, [], ret=ret)
    await lose(desk, mail.email_id, 0, "bounced", code=550)
    await desk.sweep()
    (notice,) = await inbox(desk)
    assert BytesParser(policy=policy.default).parsebytes(notice).get_payload(2).get_content_type() == kind
    assert (mail.content.partition(b"\r\n\r\n")[2] in notice) == (ret == "FULL")


async def test_a_message_that_was_moved_still_shows_it(desk: Desk):
    await desk.send("you@far.test")
    await desk.sweep()
    sent = await desk.store.read(find_special_folder, desk.mailbox.id, "sent")
    archive = await desk.store.read(find_special_folder, desk.mailbox.id, "archive")
    await desk.store.move(desk.mailbox.id, sent.id, [(1, 1)], archive.id)
    await desk.rounds.round()
    await desk.sweep()
    async with desk.rounds.database.reading() as connection:
        keywords = (await connection.execute(text("SELECT keywords FROM messages"))).scalar_one()
    names = await desk.store.keyword_names(desk.mailbox.id)
    assert [names[number] for number in keywords] == ["$Delivered"]


async def test_mail_from_elsewhere_and_of_test_keys_is_filed_nowhere(desk: Desk):
    await desk.rounds.post("you@far.test")
    assert await settled(desk) == []


async def settled(desk: Desk) -> list[object]:
    async with desk.rounds.database.reading() as connection:
        return list((await connection.execute(text("SELECT * FROM sent_copies"))).all())
