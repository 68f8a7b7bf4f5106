"""The settings of a part, and whether it can work on the servers that they name."""

from __future__ import annotations

import asyncio

import typer

from hourpost.assembly import broker_url, redis_url
from hourpost.cli.faults import of_every_part, of_secret_key, refuse_faults
from hourpost.embedded.instance import instance_settings
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.redis_server import RedisServer, inspect_redis
from hourpost.settings import Settings


def settings_with_servers() -> Settings:
    """The settings of a part, which has no servers of its own.

    Raises: typer.BadParameter where they are not named, or are of a kind that nothing works on, and for every other
    setting that cannot be.
    """
    settings = instance_settings()
    if settings.database_url is None or settings.redis_url is None:
        raise typer.BadParameter("HOURPOST_DATABASE_URL and HOURPOST_REDIS_URL are not set, and no `hourpost up` runs.")
    refuse_faults(settings, of_every_part, of_secret_key)
    if not settings.embedded:
        _refuse_clusters(settings)
    return settings


def _refuse_clusters(settings: Settings) -> None:
    """A cluster answers MOVED or CROSSSLOT at the first key that lies elsewhere: better not to begin."""
    if server := _look_at(redis_url(settings)):
        _refuse("HOURPOST_REDIS_URL", server.fault_as_counters)
    if server := _look_at(broker_url(settings)):
        _refuse("HOURPOST_BROKER_URL", server.fault_as_broker)


def _look_at(url: str) -> RedisServer | None:
    """What a Redis says of itself; None while it is away, which parts can begin without."""
    try:
        return asyncio.run(inspect_redis(url))
    except (ServiceUnavailable, ValueError):  # what is no URL is said by what uses it
        return None


def _refuse(name: str, fault: str | None) -> None:
    if fault is not None:
        raise typer.BadParameter(f"{name}: {fault}. Name a Redis (6.2 or newer) or Valkey that is none.")
