"""Taking everything along, and deleting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from hourpost.accounts.closing import LINGER, close_account, erase_some
from hourpost.database import Database
from hourpost.inbound.addressees import Route
from hourpost.inbound.arrivals import Arrival, Told, store_arrival
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import new_id
from tests.api.web.dashboard.letters import newest_mail
from tests.api.web.dashboard.mail import make_email, make_mailbox, make_webhook
from tests.api.web.dashboard.people import Cast, make_cast, text_of
from tests.api.web.running import RunningWeb
from tests.cast import make_account, make_domain, make_key, make_smtp_login


async def test_the_export_has_everything_but_secrets(cast: Cast, database: Database) -> None:
    domain = await make_domain(database, cast.account)
    key, login = await make_key(database, cast.account), await make_smtp_login(database, cast.account)
    webhook_id = await make_webhook(database, cast.account)
    email_id = await make_email(database, cast.account, "ada@far.test", state=State.SENT)
    answer = cast["owner"].post("/app/account/export")
    assert "attachment" in answer.headers["content-disposition"]
    found = answer.json()
    assert [one["name"] for one in found["domains"]] == [domain.name]
    assert [one["id"] for one in found["emails"]] == [email_id]
    assert [(one["id"], one["endpoint"]) for one in found["webhooks"]] == [(webhook_id, "https://hooks.example/x")]
    assert [one["id"] for one in found["credentials"]] == [one.credential.public_id for one in (key, login)]
    assert found["inbound_routes"] == found["mailboxes"] == []
    assert [(one["email_id"], one["address"], one["state"]) for one in found["deliveries"]] == [
        (email_id, "ada@far.test", "sent")
    ]
    assert {one["role"] for one in found["members"]} == {"owner", "admin", "developer", "viewer", "billing"}
    assert found["audit_log"][-1]["action"] == "account_exported"
    for secret in (key.secret, login.secret, "token_sha256", "password_hash", "dkim", "secret"):
        assert secret not in answer.text


async def test_a_deleted_account_is_closed_at_once_and_erased_later(
    fresh_database: Database, cast: Cast, database: Database, site: RunningWeb
) -> None:
    email_id = await make_email(database, cast.account)
    domain = await make_domain(database, cast.account)
    key = (await make_key(database, cast.account)).secret
    wrong = cast["owner"].post("/app/account/delete", {"name": "Another"})
    assert wrong.status_code == 422
    assert cast["owner"].post("/app/account/delete", {"name": cast.account.name}).status_code == 303
    for who in ("owner", "viewer"):
        assert cast[who].get("/app").headers["location"] == "/app/accounts/new"
        subject, told = await newest_mail(database, cast[who].email)
        assert (subject, cast["owner"].email in told) == (f"{cast.account.name} was deleted", True)
    assert cast["nobody"].get("/v1/usage", Authorization=f"Bearer {key}").status_code == 403
    async with database.reading() as connection:
        names = await connection.execute(text("SELECT id FROM domains WHERE name = :name"), {"name": domain.name})
        assert not names.all()
    later = datetime.now(UTC) + LINGER + timedelta(minutes=1)
    for _ in range(20):
        async with database.transaction() as connection:
            if not await erase_some(connection, later):
                break
    async with database.reading() as connection:
        for table in ("emails", "deliveries", "events"):
            statement = text(f"SELECT count(*) FROM {table} WHERE account_id = :id")
            if table != "events":
                assert (await connection.execute(statement, {"id": cast.account.id})).scalar() == 0
        accounts = await connection.execute(text("SELECT id FROM accounts WHERE id = :id"), {"id": cast.account.id})
        assert not accounts.all()
    assert email_id


async def test_staff_are_told_of_a_deleted_account_what_is_kept_until_when(cast: Cast, database: Database) -> None:
    staff, where = cast["staff"], f"/operator/accounts/{cast.account.public_id}"
    await make_mailbox(database, cast.account, await make_domain(database, cast.account))
    await make_email(database, cast.account)
    now = datetime.now(UTC)
    async with database.transaction() as connection:
        await close_account(connection, cast.account.id, now)
    page = staff.get(where).text
    told = text_of(staff.get(where))
    assert f"Deleted on {now:%-d} {now:%b} {now:%Y}" in told
    assert "Suspended" not in told
    assert "Emails Kept until" in told
    gone = now + timedelta(days=30)
    assert f"1 closed, kept until {gone:%-d} {gone:%b} {gone:%Y}" in told
    assert "Deleted on" in text_of(staff.get(f"/operator/accounts?q={cast.account.public_id}"))
    for act in ("resume", "suspend", "view"):
        assert f"{where}/{act}" not in page
        assert staff.post(f"{where}/{act}").status_code == 409


async def test_what_came_by_routes_goes_with_its_content(fresh_database: Database) -> None:
    account, now = await make_account(fresh_database), datetime.now(UTC)
    address = f"support@{(await make_domain(fresh_database, account)).name}"
    route = Route(new_id(), address, account.id, new_id())
    arrival = Arrival(new_id(), route, address, "", "", "", "", None, b"Subject: a secret\r\n\r\n", now)
    async with fresh_database.hot_transaction() as hot:
        await store_arrival(hot, arrival, Told("{}", "{}"))
    async with fresh_database.transaction() as connection:
        await close_account(connection, account.id, now)
    for _ in range(5):
        async with fresh_database.transaction() as connection:
            await erase_some(connection, now + LINGER + timedelta(minutes=1))
    async with fresh_database.reading() as connection:
        for table in ("inbound_emails", "content_chunks", "accounts"):
            assert (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar() == 0, table


async def test_an_account_that_is_open_is_not_erased(fresh_database: Database) -> None:
    async with fresh_database.transaction() as connection:
        assert not await erase_some(connection, datetime.now(UTC) + timedelta(days=1))


async def test_who_owns_an_account_alone_cannot_delete_their_log_in(cast: Cast) -> None:
    answer = cast["owner"].post("/app/you/delete")
    assert answer.status_code == 422
    assert cast.account.name in answer.text
    assert cast["viewer"].post("/app/you/delete").headers["location"] == "/"
    assert cast["viewer"].get("/app").headers["location"] == "/login"
    assert cast["viewer"].email not in cast["owner"].get("/app/team").text


@pytest.mark.parametrize("path", ["/app/account/delete"])
async def test_deleting_asks_again_who_one_is(
    database: Database, site: RunningWeb, own_account: None, path: str
) -> None:
    cast = await make_cast(database, site.url)
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE sessions SET proven_at = now() - interval '2 hours' WHERE user_id = :id"),
            {"id": cast["owner"].user_id},
        )
    assert cast["owner"].get(path).headers["location"].startswith("/login/again?next=/app/account/delete")
    cast.close()
