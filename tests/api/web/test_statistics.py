"""GET /v1/statistics: what became of what was sent, by day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert

from hourpost import tables
from hourpost.database import Database
from tests.api.web.conftest import Customer

DAY = datetime(2026, 3, 10, tzinfo=UTC)


async def tally(database: Database, account_id: UUID, *rows: tuple[datetime, str, int]) -> None:
    values = [{"account_id": account_id, "started_at": at, "kind": kind, "count": count} for at, kind, count in rows]
    async with database.transaction() as connection:
        await connection.execute(insert(tables.Tally), values)


async def test_each_day_has_its_own_numbers_and_nobody_elses(
    owner: Customer, stranger: Customer, database: Database
) -> None:
    last = DAY + timedelta(hours=23, minutes=50)
    await tally(
        database, owner.account.id, (DAY, "accepted", 5), (DAY, "sent", 3), (last, "sent", 1), (last, "bounced", 1)
    )
    await tally(database, owner.account.id, (DAY - timedelta(minutes=10), "sent", 9), (DAY + timedelta(1), "sent", 7))
    await tally(database, stranger.account.id, (DAY, "sent", 100))
    body = owner.http.get("/v1/statistics?since=2026-03-10&until=2026-03-12").json()
    first, second = body["data"]
    assert (body["since"], body["until"]) == ("2026-03-10T00:00:00Z", "2026-03-12T00:00:00Z")
    told = {name: first[name] for name in ("day", "accepted", "sent", "bounced", "deferred", "failed")}
    assert told == {"day": "2026-03-10", "accepted": 5, "sent": 4, "bounced": 1, "deferred": 0, "failed": 0}
    assert (second["day"], second["sent"], second["accepted"]) == ("2026-03-11", 7, 0)
    begun = owner.http.get("/v1/statistics?since=2026-03-10T15:00:00Z&until=2026-03-11T00:00:01Z").json()["data"]
    assert begun == body["data"]


def test_without_a_question_there_are_thirty_days_up_to_today(owner: Customer) -> None:
    body = owner.http.get("/v1/statistics").json()
    assert len(body["data"]) == 30
    assert body["data"][-1]["day"] in body["until"] or body["data"][-1]["day"] < body["until"][:10]
    assert body["counted_until"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("since=2026-01-01&until=2026-04-02", {"/since"}),
        ("since=2026-03-10&until=2026-03-10", {"/since"}),
        ("since=soon&until=later&x=1", {"/since", "/until", "/x"}),
        ("since=120 days ago", {"/since"}),
        ("until=9999-12-31T23:00:00Z", {"/until"}),
        ("until=0001-01-01", {"/until"}),
    ],
)
def test_days_that_are_none_or_too_many_are_refused(owner: Customer, query: str, names: set[str]) -> None:
    answer = owner.http.get(f"/v1/statistics?{query}")
    assert answer.status_code == 422
    assert {one["pointer"] for one in answer.json()["errors"]} == names
