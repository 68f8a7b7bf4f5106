"""The overview: what became of what was sent, and when a share of it harms the sender."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import insert

from hourpost import tables
from hourpost.database import Database
from tests.api.web.dashboard.mail import make_email
from tests.api.web.dashboard.people import Cast, text_of


async def tally(cast: Cast, database: Database, **counts: int) -> str:
    """What the overview says when these events were counted just now."""
    await make_email(database, cast.account)
    now = datetime.now(UTC)
    rows = [{"account_id": cast.account.id, "started_at": now, "kind": kind, "count": n} for kind, n in counts.items()]
    async with database.transaction() as connection:
        await connection.execute(insert(tables.Tally), rows)
    return text_of(cast["viewer"].get("/app"))


async def test_shares_that_receivers_judge_by_are_told_and_what_to_do_about_them(
    cast: Cast, database: Database
) -> None:
    page = await tally(cast, database, sent=1000, bounced=50, failed=10, complained=4)
    assert "Bounced or failed 60 5.7%" in page
    assert "Called spam 4 0.4%" in page
    assert "Take addresses that bounce off your list" in page
    assert "Write only to people who asked for it" in page


async def test_what_is_as_it_should_be_is_not_warned_of(cast: Cast, database: Database) -> None:
    page = await tally(cast, database, sent=10_000, bounced=40, complained=2)
    assert "Bounced or failed 40 0.4%" in page
    assert "Called spam 2 under 0.1%" in page
    assert "Receivers" not in page


async def test_what_counts_more_than_once_for_a_recipient_is_called_an_attempt(cast: Cast, database: Database) -> None:
    page = await tally(cast, database, sent=10, deferred=67)
    assert "Deferred attempts 67" in page
    assert "what is deferred at every attempt" in page


async def test_of_a_few_emails_no_share_is_told(cast: Cast, database: Database) -> None:
    page = await tally(cast, database, sent=3, bounced=1)
    assert "Bounced or failed 1 Called spam 0" in page
    assert "%" not in page
