"""The busiest hour of each day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hourpost.billing.peaks import roll_up_peaks
from hourpost.billing.queries import list_peaks
from tests.billing.conftest import Shop

MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)


async def test_the_most_that_was_used_of_any_60_minutes_is_kept_for_each_day(shop: Shop) -> None:
    account = await shop.account("path")
    spends = [(-130, 400), (-65, 300), (-20, 350), (-20, -50), (10, 200), (41, 600)]  # minutes from midnight, count
    moment = MIDNIGHT - timedelta(minutes=130)
    while moment <= MIDNIGHT + timedelta(minutes=60):
        async with shop.database.transaction() as connection:
            for minutes, count in spends:
                at = MIDNIGHT + timedelta(minutes=minutes)
                if moment - timedelta(minutes=5) < at <= moment:
                    await connection.exec_driver_sql(
                        "INSERT INTO spends (account_id, spent_at, count) VALUES ($1, $2, $3)", (account.id, at, count)
                    )
            await roll_up_peaks(connection, moment)
        moment += timedelta(minutes=5)
    async with shop.database.reading() as connection:
        peaks = await list_peaks(connection, account.id, date(2026, 11, 1))
    assert [(one.day.day, one.used, one.hourly_limit) for one in peaks] == [(24, 600, 1000), (25, 800, 1000)]
    assert peaks[1].at == MIDNIGHT + timedelta(minutes=41)


async def test_nobody_sees_the_peaks_of_another(shop: Shop) -> None:
    account, other = await shop.account("path"), await shop.account("path")
    async with shop.database.transaction() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO spends (account_id, spent_at, count) VALUES ($1, $2, 5)", (other.id, MIDNIGHT)
        )
        await roll_up_peaks(connection, MIDNIGHT)
    async with shop.database.reading() as connection:
        assert await list_peaks(connection, account.id, date(2026, 11, 1)) == []
        assert [one.used for one in await list_peaks(connection, other.id, date(2026, 11, 1))] == [5]
