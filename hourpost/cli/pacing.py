"""Pacing anew what waits for the hour of an account whose plan has changed."""

from __future__ import annotations

from uuid import UUID

import typer

from hourpost.assembly import broker_url
from hourpost.cli.desk import Desk
from hourpost.errors import ServiceUnavailable
from hourpost.flow.release import Releaser
from hourpost.gateways.hints import CeleryHints
from hourpost.gateways.hour import RedisHour

_MOST_TURNS = 100  # what is left then, the scheduler releases


async def pace_again(desk: Desk, account_id: UUID) -> int | None:
    """Release what has room now; gives how many, or None while that is left to the scheduler."""
    if desk.settings.redis_url is None:
        return None
    hour = RedisHour(desk.settings.redis_url.get_secret_value(), timeout_seconds=2)
    hints = CeleryHints(broker_url(desk.settings))
    releaser = Releaser(desk.database, hour, hints, desk.clock)
    try:
        return await _release(releaser, account_id)
    except ServiceUnavailable as error:
        typer.echo(f"note: what waits is released by the scheduler later: {error.message}", err=True)
        return None
    finally:
        await hints.stop()
        await hour.aclose()


async def _release(releaser: Releaser, account_id: UUID) -> int:
    released = 0
    for _ in range(_MOST_TURNS):
        turn = await releaser.release(account_id)
        released += turn.released
        if turn.wait_seconds is None or turn.wait_seconds > 0:
            break
    return released
