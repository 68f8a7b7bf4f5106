"""Several become the user of one address at the same moment: one does, and the others are told."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.database import Database
from hourpost.rules.ids import new_id
from hourpost.users.tokens import Kind, OneTime, hashed, keep_token, mint
from tests.api.web.dashboard.people import Cast, make_user, new_surfer, text_of
from tests.api.web.running import RunningWeb

_WAITING = text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN"
    " (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
)


@pytest.fixture
def email() -> str:
    return f"grace-{uuid4().hex[:10]}@acme.test"


async def sign_up_token(connection: AsyncConnection, email: str, account_name: str) -> str:
    detail = {"email": email, "name": "Grace", "account_name": account_name, "password_hash": "x"}
    await keep_token(connection, token := mint(), OneTime(Kind.SIGN_UP, None, detail), datetime.now(UTC))
    return token


async def invitation_token(connection: AsyncConnection, cast: Cast, email: str) -> str:
    token, now = mint(), datetime.now(UTC)
    place = {"id": new_id(), "account_id": cast.account.id, "email": email, "role": "viewer"}
    when = {"created_at": now, "expires_at": now + timedelta(days=1)}
    await connection.execute(insert(tables.Invitation).values(place | when | {"token_sha256": hashed(token)}))
    return token


async def all_at_once(database: Database, url: str, asked: list[tuple[str, dict[str, str]]]) -> list[httpx.Response]:
    """The answers, where everybody has looked, or waits to look, before anybody can write."""
    surfers = [new_surfer(url) for _ in asked]
    async with asyncio.TaskGroup() as group, database.transaction() as connection:
        await connection.execute(text("LOCK TABLE users IN SHARE MODE"))
        posting = [
            group.create_task(asyncio.to_thread(surfer.post, path, data))
            for surfer, (path, data) in zip(surfers, asked, strict=True)
        ]
        deadline = time.monotonic() + 60
        while (await connection.execute(_WAITING)).scalar_one() < len(asked):
            assert time.monotonic() < deadline, "they did not come together"
            await asyncio.sleep(0.02)
            await connection.execute(text("SELECT pg_stat_clear_snapshot()"))  # else who connects later is not seen
    for surfer in surfers:
        surfer.http.close()
    return [await one for one in posting]


async def test_two_links_for_one_address_make_one_user_and_one_account(
    site: RunningWeb, own_account: None, database: Database, email: str
) -> None:
    async with database.transaction() as connection:
        tokens = [await sign_up_token(connection, email, f"{email} {n}") for n in range(2)]
    asked = [("/signup/confirm", {"token": token}) for token in tokens]
    first, second = sorted(await all_at_once(database, site.url, asked), key=lambda one: one.status_code)
    assert (first.status_code, first.headers["location"]) == (303, "/login")
    assert second.status_code == 404
    assert "This address is confirmed already: log in." in text_of(second)
    async with database.reading() as connection:
        for table in ("users", "accounts"):
            found = await connection.execute(
                text(f"SELECT count(*) FROM {table} WHERE email = :email"), {"email": email}
            )
            assert found.scalar_one() == 1, table


async def test_one_link_that_is_pressed_twice_counts_once(
    site: RunningWeb, own_account: None, database: Database, email: str
) -> None:
    async with database.transaction() as connection:
        token = await sign_up_token(connection, email, email)
    answers = await all_at_once(database, site.url, [("/signup/confirm", {"token": token})] * 2)
    first, second = sorted(answers, key=lambda one: one.status_code)
    assert (first.status_code, second.status_code) == (303, 404)
    assert "This link was used already" in text_of(second)


async def test_whoever_comes_by_whatever_way_one_gets_the_address(
    site: RunningWeb, cast: Cast, database: Database, email: str
) -> None:
    user_id, _ = await make_user(database)
    async with database.transaction() as connection:
        signed_up = await sign_up_token(connection, email, email)
        invited = await invitation_token(connection, cast, email)
        moved = mint()
        await keep_token(connection, moved, OneTime(Kind.ADDRESS, user_id, {"email": email}), datetime.now(UTC))
    join = {"token": invited, "name": "Grace", "password": "a sentence to keep in mind"}
    asked = [("/signup/confirm", {"token": signed_up}), ("/invitation", join), ("/address", {"token": moved})]
    answers = await all_at_once(database, site.url, asked)
    assert sorted(one.status_code // 100 for one in answers) == [3, 4, 4], [one.status_code for one in answers]
    async with database.reading() as connection:
        users = await connection.execute(text("SELECT count(*) FROM users WHERE email = :email"), {"email": email})
        assert users.scalar_one() == 1
