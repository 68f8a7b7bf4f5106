"""How the relays do now, as the workers tell that live. For operators only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median_low
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A worker that went on under a new id may have left its old one behind for the rest of that lease.
_TOLD = text(
    "SELECT DISTINCT ON (name) relays, told_at FROM workers WHERE leased_until > now() AND relays IS NOT NULL"
    " ORDER BY name, told_at DESC"
)
_WORST_FIRST = ("open", "half-open", "closed")


@dataclass(frozen=True, slots=True)
class RelayNow:
    """One relay, over all workers: each has its own connections, and its own opinion of it.

    ``state`` is the worst of ``closed`` (trusted), ``half-open`` (on trial) and ``open`` (left alone), since
    ``since``, for ``of_workers`` of ``workers``.
    """

    relay: str
    state: str
    since: datetime
    of_workers: int
    workers: int
    in_use: int
    connections: int
    most_connections: int
    waiting: int
    median_seconds: float | None
    last_reply: str | None
    last_reply_at: datetime | None
    last_fault: str | None
    refuses_login: bool  # for one worker at least

    @property
    def is_asked(self) -> bool:
        """Whether anything is known of it."""
        return self.last_reply is not None or self.last_fault is not None


async def read_relays_now(connection: AsyncConnection) -> list[RelayNow]:
    """Every relay that a living worker sends through, by name."""
    told: defaultdict[str, list[tuple[dict[str, Any], datetime]]] = defaultdict(list)
    for relays, told_at in await connection.execute(_TOLD):
        for one in relays:
            told[one["relay"]].append((one, told_at))
    return [_together(relay, told[relay]) for relay in sorted(told)]


def _together(relay: str, told: Sequence[tuple[dict[str, Any], datetime]]) -> RelayNow:
    state = min((one["state"] for one, _ in told), key=_WORST_FIRST.index)
    those = [(one, at) for one, at in told if one["state"] == state]
    replies = [(_ago(at, one["last_reply_seconds"]), one["last_reply"]) for one, at in told if one["last_reply"]]
    paces = [one["median_seconds"] for one, _ in told if one["median_seconds"] is not None]
    last_at, last = max(replies, default=(None, None))
    return RelayNow(
        relay,
        state,
        since=min(_ago(at, one["state_seconds"]) for one, at in those),
        of_workers=len(those),
        workers=len(told),
        in_use=sum(one["in_use"] for one, _ in told),
        connections=sum(one["connections"] for one, _ in told),
        most_connections=sum(one["most_connections"] for one, _ in told),
        waiting=sum(one["waiting"] for one, _ in told),
        median_seconds=median_low(paces) if paces else None,
        last_reply=last,
        last_reply_at=last_at,
        last_fault=next((one["last_fault"] for one, _ in those if one["last_fault"]), None),
        refuses_login=any(one.get("refuses_login", False) for one, _ in told),
    )


def _ago(at: datetime, seconds: float) -> datetime:
    return at - timedelta(seconds=seconds)
