"""One measurement: drive a load, wait until all of it is at the sink, compare the counts."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass

from bench.far_end import FarEnd
from bench.http_load import HttpLoad, Requests
from bench.instance import Instance
from bench.letters import Messages, Sender
from bench.smtp_load import SmtpLoad
from bench.tally import Tally

MOST_EMAILS = 60_000
_WARM_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load came to. ``rate`` counts emails a second from the first submission to the last delivery."""

    rate: float
    accept_rate: float
    emails: int
    missing: int
    refused: int
    said: str
    p50_ms: float
    p99_ms: float
    sink_connections: int

    @property
    def fault(self) -> str:
        """What makes the figure worthless; empty when nothing does."""
        if self.missing:
            return f"{self.missing} of {self.emails} did not arrive"
        return f"{self.refused} refused: {self.said[:300]}" if self.refused else ""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the load goes in and where it comes out."""

    instance: Instance
    far_end: FarEnd
    seconds: float

    async def http(self, requests: Requests, connections: int = 64, rate: float = 0.0) -> Measured:
        """REST calls over kept connections."""
        load = HttpLoad(self.instance.ports["HTTP"], requests, connections, rate)
        await self.far_end.ask("reset")
        _calm()
        tally = await load.run(self.seconds, MOST_EMAILS // requests.emails_each)
        return await self._arrived(tally)

    async def warm_up(self, requests: Requests, count: int) -> None:
        """Sends ``count`` requests, or as many as go in half a minute, and waits until they are through."""
        load = HttpLoad(self.instance.ports["HTTP"], requests, 64)
        await self.far_end.ask("reset")
        await self._arrived(await load.run(_WARM_SECONDS, count))

    async def smtp(self, sender: Sender, messages: Messages, sessions: int = 32) -> Measured:
        """Submissions under TLS."""
        load = SmtpLoad(self.instance.ports["SUBMISSIONS"], sender, messages, sessions)
        await self.far_end.ask("reset")
        _calm()
        tally = await load.run(self.seconds, MOST_EMAILS)
        return await self._arrived(tally)

    async def _arrived(self, tally: Tally) -> Measured:
        stats = await self.far_end.wait_for(tally.emails)
        seconds = stats["last_at"] - tally.first_at
        return Measured(
            rate=stats["recipients"] / seconds if seconds > 0 else 0.0,
            accept_rate=tally.accept_rate,
            emails=tally.emails,
            missing=tally.emails - int(stats["recipients"]),
            refused=tally.refused,
            said=tally.first_refusal,
            p50_ms=tally.percentile_ms(50),
            p99_ms=tally.percentile_ms(99),
            sink_connections=int(stats["connections"]),
        )


def fresh_run() -> str:
    """A name that makes idempotency keys and Message-IDs new."""
    return f"b{time.time_ns():x}"


def _calm() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
