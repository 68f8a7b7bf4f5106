"""Statistics: how many deliveries of each kind there were, by day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from api.web.answers import Json
from api.web.dependencies import Manager, ThePartsOf
from api.web.v1 import account_shapes as shapes
from api.web.v1.documented import route
from api.web.v1.moments import PastMoment
from hourpost.emails.tallies import ACCEPTED, KINDS, read_counted_until, read_tallies
from hourpost.errors import Fault, ValidationFailed

MOST_DAYS = 90
_DEFAULT_DAYS = 30
_DAY = timedelta(days=1)

router = APIRouter(prefix="/statistics", tags=["usage"])


class Asked(BaseModel):
    """Which days."""

    since: PastMoment = Field(
        None, description="The first day, or a moment of it: `2026-11-01`, `30 days ago`. By default there are 30 days."
    )
    until: PastMoment = Field(None, description="The days before this moment, the begun one too; by default until now.")


@router.get("", **route("get_statistics", shapes.StatisticsShape))
async def get_statistics(caller: Manager, parts: ThePartsOf, asked: Annotated[Asked, Query()]) -> Response:
    """See what became of your deliveries (one for each recipient), day by day in UTC, at most 90 days at once.

    Each counts on the day on which it happened: what was accepted yesterday may bounce today, and what a relay puts
    off is deferred each time. Test mode does not count. The newest seconds are not in it yet: see `counted_until`.
    """
    since, until = _days(asked, parts.clock.now())
    async with parts.database.reading() as connection:
        counts = await read_tallies(connection, caller.account_id, since, until, _DAY)
        counted_until = await read_counted_until(connection)
    data = [_of_day(counts, since, number) for number in range((until - since) // _DAY)]
    return Json({"object": "statistics", "since": since, "until": until, "counted_until": counted_until, "data": data})


def _days(asked: Asked, now: datetime) -> tuple[datetime, datetime]:
    """From which midnight to which. Raises: ValidationFailed."""
    try:
        end = asked.until or now
        until = _midnight(end) if end == _midnight(end) and asked.until else _midnight(end) + _DAY
        since = _midnight(asked.since) if asked.since else until - _DEFAULT_DAYS * _DAY
    except OverflowError:  # at either end of the calendar
        since = until = now
    if not _DAY <= until - since <= MOST_DAYS * _DAY:
        name = "since" if asked.since else "until"
        words = f"`since` and `until` must be 1 to {MOST_DAYS} days apart"
        raise ValidationFailed([Fault(f"/{name}", words)])
    return since, until


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _of_day(counts: dict[str, list[int]], since: datetime, number: int) -> dict[str, Any]:
    day = {"day": f"{since + number * _DAY:%Y-%m-%d}"}
    return day | {kind: counts[kind][number] if kind in counts else 0 for kind in (ACCEPTED, *KINDS)}
