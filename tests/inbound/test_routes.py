"""Routes: mail for an address is kept and its webhook called, with or without a mailbox beside it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from hourpost.errors import Conflict, Forbidden, ServiceUnavailable, ValidationFailed
from hourpost.gateways.clock import SystemClock
from hourpost.inbound.changes import check_route, create_route, delete_route
from hourpost.inbound.queries import StoredRoute
from hourpost.mailboxes.changes import add_alias, set_catch_all
from hourpost.pages import Cursor
from hourpost.rules.ids import from_text, to_text
from hourpost.webhooks.changes import create_webhook
from hourpost.webhooks.queries import get_payload, get_webhook, list_calls
from tests.cast import CIPHER, make_account
from tests.inbound.house import House
from workers.inbound import InboundChores

LETTER = (
    b"From: Ada <ada@far.example>\r\nTo: support\r\nSubject: help\r\nMessage-ID: <1@far.example>\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nIt does not work.\r\n"
    b'--b\r\nContent-Type: image/png; name="s.png"\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--b--\r\n'
)
URL = "https://acme.example/inbound"


async def make_route(house: House, name: str = "support", url: str = URL) -> StoredRoute:
    new = check_route(f"{name}@{house.domain.name}", url, ())
    async with house.database.transaction() as connection:
        return (await create_route(connection, house.account.id, new, CIPHER, house.account.created_at)).route


async def payloads(house: House, webhook_id: Any) -> list[dict[str, Any]]:
    async with house.database.reading() as connection:
        webhook = await get_webhook(connection, house.account.id, webhook_id)
        calls = (await list_calls(connection, webhook, Cursor())).data
        return [await get_payload(connection, call) for call in calls]


async def test_of_a_text_that_is_too_long_the_webhook_is_told_that_it_was_cut(house: House):
    route = await make_route(house)
    await house.receive(b"Subject: long\r\n\r\n" + b"A line of words.\r\n" * 20_000, "support")
    ((data, _),) = [(one["data"], one["type"]) for one in await payloads(house, route.webhook_id)]
    assert (len(data["text"]), data["is_complete"]) == (256 * 1024, False)


async def test_mail_for_a_route_is_kept_and_its_webhook_called(house: House):
    route = await make_route(house)
    await house.receive(LETTER, "support+case7")
    (row,) = await house.rows("SELECT * FROM inbound_emails WHERE account_id = :id", id=house.account.id)
    assert (row.recipient, row.subject) == (f"support+case7@{house.domain.name}", "help")
    (payload,) = await payloads(house, route.webhook_id)
    assert payload["type"] == "email.received"
    data = payload["data"]
    assert (data["from"], data["subject"], data["text"]) == ("Ada <ada@far.example>", "help", "It does not work.")
    (attached,) = data["attachments"]
    assert attached == {"id": "2", "filename": "s.png", "size": 4, "content_type": "image/png"} | {
        "content_id": None,
        "content_disposition": "attachment",
    }
    assert row.listing["attachments"] == [attached]
    assert data["is_complete"]
    assert data["authentication"]["dmarc"]["result"] == "none"


async def test_it_is_known_by_the_id_in_its_trace_which_an_answer_is_told_with_too(house: House):
    await make_route(house)
    email_id, message_id = await house.sent("ada@far.example")
    text_id = await house.receive(f"References: {message_id}\r\n".encode() + LETTER, "support")
    (row,) = await house.rows("SELECT id FROM inbound_emails WHERE account_id = :id", id=house.account.id)
    assert to_text("in", row.id) == text_id
    (event,) = await house.rows("SELECT detail FROM events WHERE email_id = :id", id=email_id)
    assert event.detail["inbound_id"] == text_id


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


async def test_what_came_by_a_route_is_forgotten_with_its_content_when_its_time_is_over(house: House):
    await make_route(house)
    info = await house.mailbox("support")
    old, new = [await house.receive(LETTER, "support") for _ in range(2)]
    aged = UUID(int=(from_text("in", old).int & (1 << 80) - 1) | _ms(datetime.now(UTC) - timedelta(days=31)) << 80)
    await house.change(
        "WITH moved AS (UPDATE inbound_emails SET id = :aged WHERE id = :id)"
        " UPDATE content_chunks SET content_id = :aged WHERE content_id = :id",
        id=from_text("in", old),
        aged=aged,
    )
    await InboundChores(house.database, SystemClock(), days=32).forget()
    assert len(await house.rows("SELECT 1 FROM inbound_emails WHERE account_id = :id", id=house.account.id)) == 2
    await InboundChores(house.database, SystemClock(), days=30).forget()
    (row,) = await house.rows("SELECT id FROM inbound_emails WHERE account_id = :id", id=house.account.id)
    assert to_text("in", row.id) == new
    assert await house.rows("SELECT 1 FROM content_chunks WHERE content_id = :id", id=aged) == []
    assert await house.rows("SELECT 1 FROM content_chunks WHERE content_id = :id", id=row.id) != []
    assert len(await house.stored(info)) == 2  # in the mailbox it stays


@pytest.mark.parametrize(
    ("name", "for_support", "for_the_rest", "for_info"),
    [
        ("info", 0, 0, 1),
        ("Info+case7", 0, 0, 1),
        ("hello", 0, 0, 1),  # its alias
        ("support", 1, 0, 0),
        ("support+case7", 1, 0, 0),
        ("anything", 0, 1, 0),
    ],
)
async def test_the_route_for_the_rest_of_a_domain_gets_what_has_no_other_place(
    house: House, name: str, for_support: int, for_the_rest: int, for_info: int
):
    rest, support, info = await make_route(house, "*"), await make_route(house), await house.mailbox("info")
    async with house.database.transaction() as connection:
        await add_alias(connection, house.account.id, info.id, f"hello@{house.domain.name}", datetime.now(UTC))
    await house.receive(LETTER, name)
    assert len(await payloads(house, support.webhook_id)) == for_support
    assert len(await payloads(house, rest.webhook_id)) == for_the_rest
    assert len(await house.stored(info)) == for_info


async def test_a_catch_all_mailbox_and_a_catch_all_route_both_get_the_rest(house: House):
    rest, info = await make_route(house, "*"), await house.mailbox("info")
    async with house.database.transaction() as connection:
        await set_catch_all(connection, house.account.id, info.id, wanted=True, now=datetime.now(UTC))
    await house.receive(LETTER, "anything")
    assert len(await payloads(house, rest.webhook_id)) == 1
    assert len(await house.stored(info)) == 1


async def test_a_route_beside_a_mailbox_of_the_same_name_gets_its_copy(house: House):
    support, box = await make_route(house), await house.mailbox("support")
    await house.receive(LETTER, "support")
    assert len(await payloads(house, support.webhook_id)) == 1
    assert len(await house.stored(box)) == 1


async def test_an_address_that_is_written_in_two_ways_gets_one_copy(house: House):
    support = await make_route(house)
    await house.receive(LETTER, "support", "SUPPORT", "support+a")
    assert len(await payloads(house, support.webhook_id)) == 2


async def test_a_webhook_for_all_that_comes_in_is_called_too(house: House):
    await make_route(house)
    async with house.database.transaction() as connection:
        made = await create_webhook(
            connection, house.account.id, URL, ("email.received",), CIPHER, house.account.created_at
        )
    await house.receive(LETTER, "support")
    assert len(await payloads(house, made.webhook.id)) == 1


async def test_an_answer_calls_those_who_want_to_know(house: House):
    await house.mailbox("info")
    async with house.database.transaction() as connection:
        made = await create_webhook(
            connection, house.account.id, URL, ("email.replied",), CIPHER, house.account.created_at
        )
    _, message_id = await house.sent("ada@far.example")
    await house.receive(f"In-Reply-To: {message_id}\r\n".encode() + LETTER, "info")
    (payload,) = await payloads(house, made.webhook.id)
    assert payload["type"] == "email.replied"
    assert payload["data"]["reply"]["from"] == "Ada <ada@far.example>"
    assert payload["data"]["to"] == ["ada@far.example"]


async def test_a_route_that_is_ended_takes_nothing_more(house: House):
    route = await make_route(house)
    async with house.database.transaction() as connection:
        await delete_route(connection, house.account.id, route.id)
    found = await house.receiver.find(f"support@{house.domain.name}")
    assert found is not None
    assert not found.is_open


async def test_mail_comes_in_while_somebody_ends_its_route(house: House):
    route = await make_route(house)
    async with house.database.transaction() as connection:
        await house.receiver.find(f"support@{house.domain.name}")
        await delete_route(connection, house.account.id, route.id)
        async with asyncio.timeout(15):
            await house.receive(LETTER, "support")
    (row,) = await house.rows("SELECT subject FROM inbound_emails WHERE account_id = :id", id=house.account.id)
    assert row.subject == "help"


async def test_a_route_takes_nothing_of_a_domain_that_has_changed_hands(house: House):
    await make_route(house)
    await house.receive(LETTER, "support")
    other = await make_account(house.database)
    await house.change("UPDATE domains SET account_id = :other WHERE id = :id", other=other.id, id=house.domain.id)
    with pytest.raises(ServiceUnavailable, match="changed hands"):
        await house.receive(LETTER, "support")
    assert len(await house.rows("SELECT id FROM inbound_emails WHERE account_id = :id", id=house.account.id)) == 1


async def test_a_pattern_has_one_route_and_is_of_a_domain_of_the_account(house: House):
    await make_route(house)
    with pytest.raises(Conflict):
        await make_route(house)
    other = House(
        house.database, house.receiver, house.authentication, await make_account(house.database), house.domain
    )
    with pytest.raises(Forbidden):
        await make_route(other, "sales")


def test_all_faults_of_a_route_are_told_at_once():
    with pytest.raises(ValidationFailed) as refused:
        check_route("Ada <ada@x.test>", "http://127.0.0.1/", ())
    assert [fault.pointer for fault in refused.value.faults] == ["/pattern", "/url"]
