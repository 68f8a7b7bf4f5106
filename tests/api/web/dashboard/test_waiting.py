"""What waits says until when, on the overview and on an email's own page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import text

from hourpost.database import Database
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import from_text
from tests.api.web.dashboard.mail import make_email
from tests.api.web.dashboard.people import Cast, Surfer, text_of

_SPEND = text("INSERT INTO spends (account_id, spent_at, count) VALUES (:account, :at, :count)")


async def spend(database: Database, cast: Cast, late: int) -> None:
    """Fill the hour of a thousand: all but the last few 50 minutes ago, those 30 minutes ago."""
    now = datetime.now(UTC)
    async with database.transaction() as connection:
        for count, minutes in ((1000 - late, 50), (late, 30)):
            values = {"account": cast.account.id, "at": now - timedelta(minutes=minutes), "count": count}
            await connection.execute(_SPEND, values)


def moments_in(answer: httpx.Response, before: str) -> list[datetime]:
    """The moments that a page tells from these words on."""
    found = re.findall(r'<time datetime="([^"]+)"', answer.text.partition(before)[2])
    return [datetime.fromisoformat(one) for one in found]


async def test_the_overview_says_at_each_tick_what_it_said_at_first(
    cast: Cast, owner: Surfer, database: Database
) -> None:
    await spend(database, cast, late=1)
    await make_email(database, cast.account, *(f"n{number}@far.test" for number in range(1000)), state=State.HELD)
    first, tick = owner.get("/app"), owner.get("/app", **{"HX-Request": "true"})
    assert "<html" in first.text
    assert "<html" not in tick.text
    told = moments_in(first, "Your hour is full")[:2]
    assert told == moments_in(tick, "Your hour is full")[:2]
    assert told[1] - told[0] == timedelta(minutes=20)


async def test_a_held_email_says_when_each_of_its_recipients_leaves(
    cast: Cast, owner: Surfer, database: Database
) -> None:
    await spend(database, cast, late=2)
    await make_email(database, cast.account, *(f"n{number}@far.test" for number in range(997)), state=State.HELD)
    email_id = await make_email(database, cast.account, "ada@far.test", "bob@far.test", state=State.HELD)
    page = owner.get(f"/app/emails/{email_id}")
    assert text_of(page).count("At about") == 2
    first, last = (moments_in(page, f">{name}@far.test<")[1] for name in ("ada", "bob"))
    assert last - first == timedelta(minutes=20)


async def test_a_held_email_of_an_account_without_a_plan_promises_no_moment(
    cast: Cast, owner: Surfer, database: Database
) -> None:
    email_id = await make_email(database, cast.account, state=State.HELD)
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE accounts SET plan = NULL WHERE id = :account"), {"account": cast.account.id}
        )
    assert "At about" not in text_of(owner.get(f"/app/emails/{email_id}"))


async def test_the_next_attempt_is_told_in_the_readers_time(cast: Cast, owner: Surfer, database: Database) -> None:
    email_id = await make_email(database, cast.account, state=State.QUEUED)
    event = (
        "INSERT INTO events (email_id, id, position, account_id, kind, at, detail) VALUES (:email, gen_random_uuid(),"
        """ 0, :account, 'deferred', now(), '{"next_attempt_at": "2026-01-02T03:04:05+00:00"}')"""
    )
    async with database.transaction() as connection:
        await connection.execute(text(event), {"email": from_text("em", email_id), "account": cast.account.id})
    assert '<time datetime="2026-01-02T03:04:05+00:00" data-as="full">' in owner.get(f"/app/emails/{email_id}").text
