"""News of the relays: what a worker knows of each, beside its lease, so that it is forgotten when the worker is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.metrics import RELAY_REFUSES_LOGIN, RELAY_TRUSTED
from hourpost.gateways.relays import LaneHealth

_EVERY_SECONDS = 4.0

# Nobody waits for it and the next is soon here, so that its commit does not either.
_UNHURRIED = text("SET LOCAL synchronous_commit = off")
_TELL = text("UPDATE workers SET relays = :relays, told_at = now() WHERE id = :worker").bindparams(
    bindparam("relays", type_=JSONB(none_as_null=True))
)

log = structlog.get_logger()


class RelayNews:
    """Tells of a worker's relays every few seconds. ``worker`` gives the id of its lease, which may change."""

    def __init__(
        self, database: Database, worker: Callable[[], UUID], health: Callable[[], Sequence[LaneHealth]]
    ) -> None:
        self._database = database
        self._worker = worker
        self._health = health

    async def run(self) -> None:
        """Tell until cancelled; then that there is nothing to tell."""
        try:
            while True:
                await asyncio.sleep(_EVERY_SECONDS)
                await self._try(self.tell)
        finally:
            await self._try(self.fall_silent)

    async def tell(self) -> None:
        """Write beside the lease, and show Prometheus, how each relay does. Raises: ServiceUnavailable."""
        found = self._health()
        for one in found:
            RELAY_TRUSTED.labels(one.relay).set(one.breaker == "closed")
            RELAY_REFUSES_LOGIN.labels(one.relay).set(one.refuses_login)
        await self._write([_news(one) for one in found])

    async def fall_silent(self) -> None:
        """Take it back: this worker sends no more. Raises: ServiceUnavailable."""
        await self._write(None)

    async def _write(self, relays: list[dict[str, Any]] | None) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(_UNHURRIED)
            await connection.execute(_TELL, {"worker": self._worker(), "relays": relays})

    @staticmethod
    async def _try(act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except ServiceUnavailable:  # others say so
            pass
        except Exception:  # mail goes on without its news
            log.exception("news of the relays could not be told")


def _news(one: LaneHealth) -> dict[str, Any]:
    """What ``hourpost.emails.relays`` reads."""
    return {
        "relay": one.relay,
        "state": one.breaker,
        "state_seconds": one.state_seconds,
        "in_use": one.connections - one.idle,
        "connections": one.connections,
        "most_connections": one.most_connections,
        "waiting": one.waiting,
        "median_seconds": one.median_seconds,
        "last_reply": one.last_reply,
        "last_reply_seconds": one.last_reply_seconds,
        "last_fault": one.last_fault,
        "refuses_login": one.refuses_login,
    }
