"""What the relay tests share: a pool with short waits, and relays to send to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from bench.sink import Sink
from bench.sink_state import Config
from hourpost.gateways.relays import (
    Breaker,
    Envelope,
    Outcome,
    Patience,
    Postponed,
    RelayPool,
    RelaySpec,
    Timeouts,
    TlsMode,
)

PATIENT = Timeouts(connect=20, tls=20, banner=20, command=20, reused=20, data=20, body=20, dot=20)
_COMMANDS = ("ehlo", "starttls", "auth", "mail", "rcpt")
_WAITS = {"connect": "banner", **dict.fromkeys(_COMMANDS, "command")}
CONTENT = b"Message-ID: <1@acme.test>\r\nSubject: hello\r\n\r\nDear all,\r\n.dots at the start stay.\r\n"


def impatient(*stages: str) -> Timeouts:
    """Waits that end soon at these stages alone: elsewhere a busy machine may take its time."""
    return replace(PATIENT, **{_WAITS.get(stage, stage): 2.0 for stage in stages})


def plain(port: int, **options: Any) -> RelaySpec:
    """A relay on loopback without TLS."""
    return RelaySpec(host="127.0.0.1", port=port, tls=TlsMode.NONE, **options)


def envelope(*recipients: str) -> Envelope:
    return Envelope("sender@acme.test", recipients or ("someone@example.net",))


@asynccontextmanager
async def sink_for(config: Config | None = None, journal: str | None = None) -> AsyncIterator[tuple[Sink, int]]:
    """A sink that listens, and its port."""
    sink = Sink(config or Config(), journal)
    port = await sink.start()
    try:
        yield sink, port
    finally:
        await sink.stop()


@asynccontextmanager
async def pool_of(*specs: RelaySpec, **options: Any) -> AsyncIterator[RelayPool]:
    """A pool that is drained at the end."""
    options = {"hostname": "client.test", "timeouts": PATIENT, "patience": Patience(waiting=20.0), **options}
    pool = RelayPool(specs, **options)
    try:
        yield pool
    finally:
        await pool.drain(0.5)


def steady_breaker() -> Breaker:
    """A breaker without jitter that trips at the second failure."""
    return Breaker(threshold=2, first_delay=2.0, jitter=lambda: 0.0)


def outcomes_of(result: list[Outcome] | Postponed) -> list[Outcome]:
    assert isinstance(result, list), result
    return result


async def send_one(pool: RelayPool, *recipients: str, content: bytes = CONTENT, **options: Any) -> Outcome:
    """Sends one message and gives the outcome of its first recipient."""
    return outcomes_of(await pool.send(envelope(*recipients), content, **options))[0]
