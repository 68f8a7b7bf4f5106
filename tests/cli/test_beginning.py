"""The beginning of a part: what it says of the machine that it runs on."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from hourpost.cli.beginning import _Wait
from hourpost.database import Database
from hourpost.gateways.clock import SystemClock
from tests.cast import CIPHER


class _Wrong(SystemClock):
    def __init__(self, seconds: float) -> None:
        self._by = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._by


@pytest.mark.parametrize(("wrong_by", "said"), [(0, []), (-65, [65]), (65, [65])])
async def test_a_clock_that_differs_from_that_of_postgres_is_told(
    fresh_database: Database, wrong_by: float, said: list[int]
) -> None:
    with capture_logs() as logs:
        await _Wait(fresh_database, CIPHER, None, clock=_Wrong(wrong_by)).run()
    assert [round(one["seconds"]) for one in logs] == said
