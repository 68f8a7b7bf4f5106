"""The operator's pages: everything is seen, and what is done is written down."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select, update

from hourpost import tables
from hourpost.billing.changes import add_customer, write_entitlement
from hourpost.database import Database
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import new_id
from hourpost.rules.subscriptions import NOTHING, Entitlement
from tests.api.web.dashboard.mail import make_email
from tests.api.web.dashboard.people import Cast, text_of
from tests.cast import make_account


async def test_queues_are_told_by_state_and_by_account(cast: Cast, database: Database) -> None:
    await make_email(database, cast.account, state=State.HELD)
    page = cast["staff"].get("/operator")
    assert cast.account.name in page.text
    assert "Nobody waits for room" not in page.text


async def test_what_waits_is_told_by_cause(cast: Cast, database: Database) -> None:
    await make_email(database, cast.account, state=State.DEFERRED)
    async with database.transaction() as connection:
        await connection.execute(
            update(tables.Delivery).where(tables.Delivery.account_id == cast.account.id).values(waits_for="relay")
        )
    told = re.search(r"A relay (\d+)", text_of(cast["staff"].get("/operator")))
    assert told is not None
    assert int(told.group(1)) >= 1


async def test_what_an_account_pays_is_told(cast: Cast, database: Database) -> None:
    now = datetime.now(UTC)
    paid = Entitlement("path", "past_due", now + timedelta(days=5), "sub_1", now)
    async with database.transaction() as connection:
        await add_customer(connection, f"cus_{cast.account.public_id}", cast.account.id, now)
        await write_entitlement(connection, cast.account.id, NOTHING, paid, now)
    page = text_of(cast["staff"].get(f"/operator/accounts/{cast.account.public_id}"))
    assert f"cus_{cast.account.public_id}" in page
    assert "Past due" in page
    assert "May send until" in page


async def test_a_webhook_of_stripes_that_waits_is_read_anew(cast: Cast, database: Database) -> None:
    now, later = datetime.now(UTC), datetime.now(UTC) + timedelta(hours=1)
    event = f"evt_{cast.account.public_id}"
    row = {"id": event, "kind": "invoice.paid", "created_at": now, "received_at": now, "due_at": later, "tries": 3}
    async with database.transaction() as connection:
        await connection.execute(insert(tables.StripeEvent).values(row | {"error": "Stripe is away"}))
    path = f"/operator/stripe/{event}/retry"
    assert f'action="{path}"' in cast["staff"].get("/operator").text
    assert cast["owner"].post(path).status_code == 404
    assert cast["staff"].post(path).headers["location"] == "/operator"
    async with database.transaction() as connection:
        table = tables.StripeEvent
        due = (await connection.execute(select(table.due_at).where(table.id == event))).scalar_one()
        assert due < later
        await connection.execute(update(table).where(table.id == event).values(due_at=None))
    for done in (path, "/operator/stripe/evt_unknown/retry", "/operator/stripe/%00/retry"):
        assert cast["staff"].post(done).status_code == 404


def test_accounts_are_found_by_name_address_and_id(cast: Cast) -> None:
    staff = cast["staff"]
    for words in (cast.account.name, cast.account.email.upper(), cast.account.public_id):
        assert cast.account.public_id in staff.get(f"/operator/accounts?q={words}").text
    assert "No such account" in staff.get("/operator/accounts?q=nobody-at-all-100%25").text


def test_an_account_is_suspended_and_its_people_are_told(cast: Cast) -> None:
    where = f"/operator/accounts/{cast.account.public_id}"
    assert cast["staff"].post(f"{where}/suspend").status_code == 303
    assert "This account is suspended" in cast["owner"].get("/app").text
    cast["staff"].post(f"{where}/resume")
    assert "This account is suspended" not in cast["owner"].get("/app").text
    told = text_of(cast["owner"].get("/app/audit"))
    assert "suspended the account, as staff" in told
    assert "resumed the account, as staff" in told


async def test_staff_look_and_change_nothing(cast: Cast, database: Database) -> None:
    staff = cast["staff"]
    await make_email(database, cast.account, subject="Their secret order")
    assert cast["owner"].post(f"/operator/accounts/{cast.account.public_id}/view").status_code == 404
    assert cast["owner"].post("/operator/leave").status_code == 404
    staff.post(f"/operator/accounts/{cast.account.public_id}/view")
    seen = staff.get("/app/emails")
    assert "Their secret order" in seen.text
    assert "as staff; nothing can be changed" in seen.text
    assert staff.post("/app/suppressions", {"email": "ada@far.test"}).status_code == 403
    assert "looked at the account, as staff" in text_of(cast["owner"].get("/app/audit"))
    assert "/app/accounts/new" not in seen.text
    assert staff.get("/app/accounts/new").status_code == 403
    assert staff.post("/app/accounts/new", {"name": "Made there"}).status_code == 403
    staff.post("/operator/leave")
    assert "Their secret order" not in staff.get("/app/emails").text


async def test_who_is_no_longer_staff_is_back_at_their_own_account(cast: Cast, database: Database) -> None:
    staff, other = cast["staff"], await make_account(database)
    staff.post(f"/operator/accounts/{other.public_id}/view")
    assert other.name in staff.get("/app").text
    async with database.transaction() as connection:
        await connection.execute(update(tables.User).where(tables.User.email == staff.email).values(is_staff=False))
    page = staff.get("/app")
    assert page.status_code == 200
    assert other.name not in page.text
    assert "as staff" not in page.text


async def test_a_relay_that_is_configured_is_listed_before_it_is_asked(cast: Cast, database: Database) -> None:
    table = tables.Delivery
    async with database.transaction() as connection:
        await connection.execute(update(table).where(table.waits_for == "relay").values(waits_for=None))
    told = text_of(cast["staff"].get("/operator"))
    assert "far.example:2525 No worker tells of it" in told
    assert "secret-of-the-relay" not in told
    await make_email(database, cast.account, state=State.DEFERRED)
    async with database.transaction() as connection:  # as it is while nobody can log in there
        await connection.execute(update(table).where(table.account_id == cast.account.id).values(waits_for="relay"))
    assert "far.example:2525 Mail waits for it" in text_of(cast["staff"].get("/operator"))


async def test_how_a_relay_does_is_told_as_its_workers_know_it(cast: Cast, database: Database) -> None:
    lane = {
        "relay": "far.example:2525",
        "state": "closed",
        "state_seconds": 60,
        "in_use": 3,
        "connections": 4,
        "most_connections": 20,
        "waiting": 2,
        "median_seconds": 0.25,
        "last_reply": "dot: 250 2.0.0 <b>queued</b>",
        "last_reply_seconds": 1,
        "last_fault": "connect: 421 too busy",
    }
    troubled = lane | {"state": "open", "last_reply": None, "last_reply_seconds": None}
    now, until = datetime.now(UTC), datetime.now(UTC) + timedelta(hours=1)
    rows = [
        {"id": new_id(), "name": name, "leased_until": until, "started_at": now, "relays": [one], "told_at": now}
        for name, one in (("ada:1", lane), ("bob:2", troubled))
    ]
    async with database.transaction() as connection:
        await connection.execute(insert(tables.Worker), rows[:1])
    told = text_of(cast["staff"].get("/operator"))
    assert "far.example:2525 Good since" in told
    assert "3 of 4 (at most 20) 2 0.25 s dot: 250 2.0.0 &lt;b&gt;queued" in told.replace("<", "&lt;").replace(
        ">", "&gt;"
    )
    assert "No worker tells of it" not in told
    async with database.transaction() as connection:
        await connection.execute(insert(tables.Worker), rows[1:])
    told = text_of(cast["staff"].get("/operator"))
    assert "Left alone by 1 of 2 workers" in told
    assert "connect: 421 too busy 6 of 8" in told
    async with database.transaction() as connection:
        await connection.execute(delete(tables.Worker).where(tables.Worker.id.in_([one["id"] for one in rows])))
