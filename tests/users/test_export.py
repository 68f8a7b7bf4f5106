"""The export of an account: all that is theirs, nobody else's, in pieces."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import LargeBinary, insert

from hourpost import tables
from hourpost.accounts.queries import Account
from hourpost.database import Database
from hourpost.mailboxes.changes import add_alias
from hourpost.rules.ids import new_id, to_text
from hourpost.tables.metadata import Table
from hourpost.users.export import export_account
from hourpost.users.export_parts import LEFT_OUT, PARTS
from tests.api.web.dashboard.mail import make_mailbox
from tests.cast import make_account, make_domain

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
_ATTEMPT = {"outcome": "deferred", "reply": "450 later", "started_at": NOW, "seconds": 0.5}
_DELIVERY = {"domain": "far.test", "state": "deferred", "due_at": NOW, "attempts": 3, "crashes": 0, "changed_at": NOW}
_EMAIL = {
    "source": "api",
    "test": False,
    "envelope_from": "a@b.test",
    "header_from": "a@b.test",
    "from_address": "a@b.test",
    "subject": "Hello",
    "parts": {},
    "size_bytes": 9,
    "created_at": NOW,
}


async def exported(database: Database, account: Account, at_once: int = 500) -> dict[str, Any]:
    pieces = [piece async for piece in export_account(database, account, at_once=at_once)]
    document: dict[str, Any] = json.loads(b"".join(pieces))
    return document


async def put(database: Database, table: type[Table], *rows: dict[str, Any]) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(table), list(rows))


async def make_emails(database: Database, account: Account, count: int) -> list[str]:
    """Each to two recipients, with three attempts at each of them."""
    ids = sorted(new_id() for _ in range(count))
    places = [(email_id, position) for email_id in ids for position in (0, 1)]
    mine = {"account_id": account.id}
    await put(
        database,
        tables.Email,
        *(_EMAIL | mine | {"id": one, "content_id": one, "message_id": f"<{one}@b.test>"} for one in ids),
    )
    at = [{"email_id": email_id, "position": position} for email_id, position in places]
    await put(database, tables.Delivery, *(_DELIVERY | mine | one | {"address": "ada@far.test"} for one in at))
    await put(database, tables.Attempt, *(_ATTEMPT | one | {"number": number} for one in at for number in (1, 2, 3)))
    await put(database, tables.Event, *(one | mine | {"id": new_id(), "kind": "email.queued", "at": NOW} for one in at))
    return [to_text("em", one) for one in ids]


def test_every_table_is_in_the_export_or_left_out_for_a_reason() -> None:
    told = {part.table.name for part in PARTS} | {"accounts", "memberships"}
    assert not told & LEFT_OUT.keys()
    assert told | LEFT_OUT.keys() == {table.name for table in Table.metadata.tables.values()}


def test_no_secret_has_a_column_in_the_export() -> None:
    columns = [part.table.c[name] for part in PARTS for name in part.columns]
    assert not [str(one) for one in columns if isinstance(one.type, LargeBinary)]
    suspects = ("password", "secret", "token", "private", "sha256", "salt", "scram")
    assert not [str(one) for one in columns if any(word in one.name for word in suspects)]


@pytest.mark.parametrize("at_once", [1, 2, 5, 500])
async def test_every_row_is_there_once_however_few_are_read_at_once(database: Database, at_once: int) -> None:
    account, other = await make_account(database), await make_account(database)
    ids = await make_emails(database, account, 5)
    await make_emails(database, other, 2)
    found = await exported(database, account, at_once)
    assert [one["id"] for one in found["emails"]] == ids
    places = [(email_id, position) for email_id in ids for position in (0, 1)]
    assert [(one["email_id"], one["position"]) for one in found["deliveries"]] == places
    attempts = [(one["email_id"], one["position"], one["number"]) for one in found["attempts"]]
    assert attempts == [(*place, number) for place in places for number in (1, 2, 3)]
    assert {one["reply"] for one in found["attempts"]} == {"450 later"}
    assert sorted((one["email_id"], one["position"]) for one in found["events"]) == places


async def test_no_more_than_so_many_rows_are_ever_in_one_piece(database: Database) -> None:
    account = await make_account(database)
    await make_emails(database, account, 7)
    pieces = [piece async for piece in export_account(database, account, at_once=3)]
    assert max(piece.count(b"started_at") for piece in pieces) == 3


async def test_what_was_paid_and_where_mail_goes_is_there(database: Database) -> None:
    account, other = await make_account(database), await make_account(database)
    invoice = {"status": "paid", "total_cents": 5000, "due_cents": 0, "refunded_cents": 0, "is_disputed": False}
    invoice |= {"currency": "usd", "created_at": NOW}
    for one in (account, other):
        await put(database, tables.Invoice, invoice | {"id": f"in_{one.public_id}", "account_id": one.id})
        box = await make_mailbox(database, one, await make_domain(database, one))
        async with database.transaction() as connection:
            await add_alias(connection, one.id, box.id, f"alias-{box.address}", NOW)
        peak = {"account_id": one.id, "used": 5, "hourly_limit": 1000, "at": NOW}
        days = [(NOW - timedelta(days=days)).date() for days in (1, 0)]
        await put(database, tables.HourPeak, *(peak | {"day": day} for day in days))
    found = await exported(database, account, 1)
    assert [one["id"] for one in found["invoices"]] == [f"in_{account.public_id}"]
    (box,), addresses = found["mailboxes"], found["mailbox_addresses"]
    assert {one["mailbox_id"] for one in addresses} == {box["id"]}
    assert f"alias-{box['address']}" in [one["address"] for one in addresses]
    assert {one["mailbox_id"] for one in found["folders"]} == {box["id"]}
    assert [one["day"] for one in found["busiest_hours"]] == ["2026-11-25", "2026-11-26"]
    assert "argon2id" not in json.dumps(found)
