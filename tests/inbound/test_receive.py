"""Incoming mail: into the right folders, marked, whole or not at all."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from hourpost.accounts.changes import set_staff
from hourpost.errors import Forbidden, MailboxFull, ServiceUnavailable
from hourpost.flow.receive import Envelope
from hourpost.inbound.addressees import find_postmaster
from hourpost.mailboxes.changes import add_alias, delete_mailbox
from hourpost.rules.authentication import Authentication, Dmarc, Spf
from hourpost.rules.line_ends import ContentError
from tests.cast import make_account, make_domain
from tests.inbound.house import HOP, HOSTNAME, House

LETTER = (
    b"From: Ada <ada@far.example>\r\nTo: x\r\nSubject: hello\r\nMessage-ID: <1@far.example>\r\n\r\n.one\r\n\r\ntwo\r\n"
)


async def test_a_message_is_stored_as_it_came_below_what_we_put_on_top(house: House):
    info = await house.mailbox("info")
    incoming_id = await house.receive(LETTER, "info")
    (stored,) = await house.stored(info)
    assert stored.endswith(LETTER)
    top = stored[: -len(LETTER)].decode()
    assert top.startswith("Return-Path: <ada@far.example>\r\nReceived: from client.example ([192.0.2.7])\r\n")
    assert f"by {HOSTNAME} with ESMTPS id {incoming_id}\r\n\tfor <info@{house.domain.name}>;" in top
    assert f"Authentication-Results: {HOSTNAME};\r\n\tspf=none;\r\n\tdkim=none;\r\n\tdmarc=none" in top


async def test_results_that_claim_to_be_ours_do_not_come_in(house: House):
    info = await house.mailbox("info")
    await house.receive(f"Authentication-Results: {HOSTNAME}; spf=pass\r\n".encode() + LETTER, "info")
    (stored,) = await house.stored(info)
    assert stored.count(b"Authentication-Results") == 1
    assert b"spf=pass" not in stored


async def test_one_message_for_several_mailboxes_is_kept_once(house: House):
    one, two = await house.mailbox("one"), await house.mailbox("two")
    async with house.database.transaction() as connection:
        await add_alias(connection, house.account.id, one.id, f"other@{house.domain.name}", house.account.created_at)
    await house.receive(LETTER, "one", "two", "other", "two+tag")
    assert [len(await house.stored(box)) for box in (one, two)] == [1, 1]
    contents = await house.rows(
        "SELECT DISTINCT m.content_id FROM messages m JOIN folders f ON f.id = m.folder_id"
        " WHERE f.mailbox_id IN (:one, :two)",
        one=one.id,
        two=two.id,
    )
    assert len(contents) == 1


async def test_what_the_owner_of_its_domain_rejects_goes_to_junk(house: House):
    info = await house.mailbox("info")
    house.authentication.found = Authentication(Spf("fail", "far.example"), (), Dmarc("fail", "far.example", "reject"))
    await house.receive(LETTER, "info")
    assert await house.stored(info) == []
    (stored,) = await house.stored(info, "Junk")
    assert b"dmarc=fail (p=reject) header.from=far.example" in stored


async def test_where_junk_is_deleted_meanwhile_it_comes_again_and_goes_to_the_inbox(house: House):
    info = await house.mailbox("info")
    house.authentication.found = Authentication(Spf("fail", "far.example"), (), Dmarc("fail", "far.example", "reject"))
    assert await house.receiver.find(info.address)
    await house.change("DELETE FROM folders WHERE mailbox_id = :id AND special_use = 'junk'", id=info.id)
    with pytest.raises(ServiceUnavailable):  # no reason to refuse it for good
        await house.receive(LETTER, "info")
    await house.receive(LETTER, "info")
    assert len(await house.stored(info)) == 1


async def test_a_full_mailbox_keeps_a_message_from_everybody(house: House):
    await house.mailbox("full", quota_bytes=100)
    info = await house.mailbox("info")
    with pytest.raises(MailboxFull):
        await house.receive(LETTER, "info", "full")
    assert await house.stored(info) == []


async def test_a_mailbox_that_is_closed_meanwhile_takes_nothing(house: House):
    info = await house.mailbox("info")
    await house.receive(LETTER, "info")
    async with house.database.transaction() as connection:
        await delete_mailbox(connection, house.account.id, info.id, house.account.created_at)
    with pytest.raises(MailboxFull):
        await house.receive(LETTER, "info")


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        (["info"], {}),
        (["info", "sales"], {}),
        (["info"], {"forward_to": ("far@elsewhere.example",)}),
        (["info"], {"forward_to": ("far@elsewhere.example",), "keeps_forwarded": False}),
    ],
    ids=["alone", "with others", "forwarded", "forwarded without a copy"],
)
async def test_a_domain_that_changes_hands_takes_its_mail_along_at_once(
    house: House, names: list[str], settings: dict[str, object]
):
    boxes = [await house.mailbox(name, **settings) for name in names]
    await house.receive(LETTER, *names)
    stored = [len(await house.stored(box)) for box in boxes]
    emails = await house.rows("SELECT id FROM emails WHERE account_id = :account", account=house.account.id)
    other = await make_account(house.database)
    await house.change("UPDATE domains SET account_id = :other WHERE id = :id", other=other.id, id=house.domain.id)
    with pytest.raises(ServiceUnavailable, match="changed hands"):
        await house.receive(LETTER, *names)
    assert [len(await house.stored(box)) for box in boxes] == stored
    again = await house.rows("SELECT id FROM emails WHERE account_id = :account", account=house.account.id)
    assert again == emails


@pytest.mark.parametrize("order", [["moved", "own"], ["own", "moved"]], ids=" first, ".join)
async def test_a_domain_that_changes_hands_takes_the_mail_of_its_aliases_along(house: House, order: list[str]):
    info = await house.mailbox("info")
    moving = await make_domain(house.database, house.account)
    addresses = {"own": info.address, "moved": f"info@{moving.name}"}
    async with house.database.transaction() as connection:
        await add_alias(connection, house.account.id, info.id, addresses["moved"], house.account.created_at)
    found = [await house.receiver.find(addresses[one]) for one in order]
    envelope = Envelope(HOP, "ada@far.example", tuple(one for one in found if one))
    await house.receiver.receive(envelope, LETTER)
    other = await make_account(house.database)
    await house.change("UPDATE domains SET account_id = :other WHERE id = :id", other=other.id, id=moving.id)
    with pytest.raises(ServiceUnavailable, match="changed hands"):
        await house.receiver.receive(envelope, LETTER)
    assert len(await house.stored(info)) == 1


async def test_an_address_without_a_mailbox_takes_reports_about_our_mail_only(house: House):
    with pytest.raises(Forbidden):
        await house.receive(LETTER, "nobody", sender="")


async def test_a_loop_is_refused(house: House):
    await house.mailbox("info")
    with pytest.raises(ContentError) as refused:
        await house.receive(b"Received: from a by b\r\n" * 51 + LETTER, "info")
    assert refused.value.reply.startswith("554 5.4.6")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"just text\r\n", "just text"),
        (b"just text\r\n\r\nand more\r\n", "just text\r\n\r\nand more"),
        (b"\r\njust text\r\n", "just text"),
        (b"From ada@far.example Fri Nov 27\r\nSubject: hello\r\n\r\njust text\r\n", "just text"),
        (b"Subject: hello\r\n\r\njust text\r\n", "just text"),
    ],
)
async def test_a_message_without_a_header_has_all_of_it_as_its_body(house: House, raw: bytes, text: str):
    info = await house.mailbox("info")
    await house.receive(raw, "info")
    (stored,) = await house.stored(info)
    assert stored.endswith(raw)
    assert stored.partition(b"\r\n\r\n")[2].decode().strip() == text


async def test_an_answer_is_told_as_an_event_of_what_it_answers(house: House):
    await house.mailbox("info")
    email_id, message_id = await house.sent("bob@far.example", "ada@far.example")
    await house.receive(f"In-Reply-To: {message_id}\r\n".encode() + LETTER, "info")
    assert await house.events(email_id) == [(1, "replied")]


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        ("Auto-Submitted: auto-replied", "ada@far.example"),
        ("X-Autoreply: yes", "ada@far.example"),
        ("Auto-Submitted: notice", "ada@far.example"),
        ("Precedence: auto_reply", "ada@far.example"),
        ("Precedence: bulk\r\nX-Auto-Response-Suppress: All", "ada@far.example"),
        (
            "Content-Type: multipart/report; report-type=disposition-notification; boundary=x",
            "ada@far.example",
        ),
        ("X-Mailer: out of office", ""),
    ],
)
async def test_answers_of_machines_are_no_events(house: House, header: str, sender: str):
    await house.mailbox("info")
    email_id, message_id = await house.sent("ada@far.example")
    await house.receive(f"In-Reply-To: {message_id}\r\n{header}\r\n".encode() + LETTER, "info", sender=sender)
    assert await house.events(email_id) == []


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: (a person) No; by=hand",
        "X-Autoreply: no",
        "X-Auto-Reply:",
        "X-Autorespond: false",
        "Precedence: list",
        "Precedence: normal",
        "Precedence: bulk",
    ],
)
async def test_answers_of_people_are_events_whatever_else_they_say(house: House, header: str):
    await house.mailbox("info")
    email_id, message_id = await house.sent("ada@far.example")
    await house.receive(f"In-Reply-To: {message_id}\r\n{header}\r\n".encode() + LETTER, "info")
    assert await house.events(email_id) == [(0, "replied")]


async def test_answers_to_others_are_no_events(house: House):
    await house.mailbox("info")
    email_id, _ = await house.sent("ada@far.example")
    await house.receive(b"References: <nobody@knows.example>\r\n" + LETTER, "info")
    assert await house.events(email_id) == []


async def test_who_writes_again_to_a_mailbox_that_forwards_answers_nothing_of_ours(house: House):
    await house.mailbox("info", forward_to=("a@far.example",))
    await house.receive(LETTER, "info")
    (row,) = await house.rows("SELECT id FROM emails WHERE account_id = :id", id=house.account.id)
    await house.receive(b"References: <1@far.example>\r\n" + LETTER.replace(b"<1@", b"<2@"), "info")
    assert await house.events(row.id) == [(0, "queued")]


async def test_a_postmaster_without_a_mailbox_is_read_by_who_runs_the_machine(house: House):
    ops = await house.mailbox("ops")
    house.receiver._postmaster = f"nobody@{house.domain.name}"
    with pytest.raises(ServiceUnavailable):  # its sender tries again
        await house.receiver.find_postmaster(f"postmaster@{HOSTNAME}", is_hosted=False)
    house.receiver._postmaster = ops.address.upper()
    assert await house.receiver.find_postmaster(f"sales@{house.domain.name}", is_hosted=True) is None
    assert await house.receiver.find_postmaster("postmaster@far.example", is_hosted=False) is None
    for address, is_hosted in ((f"postmaster@{house.domain.name}", True), (f"Postmaster@{HOSTNAME}", False)):
        found = await house.receiver.find_postmaster(address, is_hosted=is_hosted)
        assert found is not None
        await house.receiver.receive(Envelope(HOP, "ada@far.example", (found,)), LETTER)
    assert len(await house.stored(ops)) == 2


async def test_where_no_mailbox_is_named_the_postmaster_is_the_oldest_of_an_operator(house: House):
    ops = await house.mailbox("ops")
    await house.mailbox("later")
    async with house.database.engine.connect() as connection:  # which is rolled back: staff of others stay staff
        await connection.execute(text("UPDATE users SET is_staff = false"))
        assert await find_postmaster(connection, "") is None
        await set_staff(connection, house.account.email, wanted=True)
        found = await find_postmaster(connection, "")
    assert found is not None
    assert found.address == ops.address
