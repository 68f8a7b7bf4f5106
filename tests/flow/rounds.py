"""A worker's rounds on a database of the test's own, with a real relay at the far end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from bench.sink import Sink
from bench.sink_state import Config
from hourpost.accounts.queries import Account
from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.flow.deliver import Courier, Pace
from hourpost.flow.leases import Leases
from hourpost.flow.local import LocalDelivery
from hourpost.gateways.relays import RelayPool, Timeouts, parse_relays
from tests.cast import make_account
from tests.flow.ledger import Ledger, read_ledger
from tests.flow.letters import letter, make_standing, order
from tests.flow.office import Moment, Office

PATIENCE = 30.0
_TIMEOUTS = Timeouts(connect=20, tls=20, banner=20, command=20, reused=20, data=20, body=20, dot=20)


class Unsigned:
    """A signer of domains without keys."""

    async def sign(self, email: object, content: Sequence[bytes]) -> bytes:
        return b""


@dataclass
class FarEnd:
    """A relay that swallows mail, and what it has swallowed."""

    sink: Sink
    port: int
    journal: Path

    @property
    def taken(self) -> list[tuple[str, str]]:
        """Message-ID and recipient of each."""
        return [tuple(line.split("\t")[:2]) for line in self.journal.read_text().splitlines()]


async def start_far_end(folder: Path, config: Config | None = None) -> FarEnd:
    journal = folder / "journal"
    journal.touch()
    sink = Sink(config or Config(user="u", password="p"), str(journal))
    return FarEnd(sink, await sink.start(), journal)


@dataclass
class Rounds:
    """What posts emails and lets couriers run."""

    database: Database
    office: Office
    far_end: FarEnd
    running: list[tuple[Courier, asyncio.Task[None], RelayPool]] = field(default_factory=list)
    account: Account | None = None
    local: LocalDelivery | None = None
    timeouts: Timeouts = _TIMEOUTS

    @property
    def clock(self) -> Moment:
        return self.office.clock

    async def post(self, *recipients: str, **changes: object) -> UUID:
        """Accept one email of the account and give its id."""
        if self.account is None:
            self.account = await make_account(self.database)
        standing = make_standing(self.account)
        if "test" in changes:
            standing = replace(standing, test=changes.pop("test"))
        mail = letter(*recipients, **changes)
        await self.office.intake.accept(order(standing, mail))
        return mail.email_id

    async def post_when_back(self, *recipients: str, **changes: object) -> UUID:
        """Accept one email as soon as PostgreSQL takes it."""
        for _ in range(300):
            try:
                return await self.post(*recipients, **changes)
            except ServiceUnavailable:
                await asyncio.sleep(0.1)
        raise AssertionError("PostgreSQL does not come back")

    def start(
        self,
        *,
        database: Database | None = None,
        before: Callable[[Leases], Leases] = lambda leases: leases,
    ) -> Courier:
        """A courier at work; ``database`` and ``before`` (of its leases) come between where something goes wrong."""
        relays = f"smtp://u:p@127.0.0.1:{self.far_end.port}?tls=none&connections=4"
        pool = RelayPool(parse_relays(relays), hostname="me.test", timeouts=self.timeouts)
        leases = Leases(self.database, self.clock, "test", 30)
        pace = Pace(40, sweep_seconds=0.05, renew_seconds=5, grace_seconds=0, clock=self.clock, jitter=lambda: 0.0)
        courier = Courier(database or self.database, pool, Unsigned(), before(leases), pace, self.local)
        self.running.append((courier, asyncio.create_task(courier.run()), pool))
        return courier

    async def stop(self) -> None:
        """Let every courier end."""
        for courier, task, pool in self.running:
            courier.stop()
            done, _ = await asyncio.wait([task], timeout=PATIENCE)
            assert all(one.exception() is None for one in done), "a courier died"
            await pool.drain(0.2)
        self.running.clear()

    async def round(self) -> Ledger:
        """Start a courier if none runs; wait until nothing is due or being sent."""
        if not self.running:
            self.start()
        return await self.until(self._is_idle)

    async def until(self, condition: Callable[[Ledger], bool]) -> Ledger:
        """Wait until the rows are so."""
        assert self.account is not None
        deadline = time.monotonic() + PATIENCE
        while True:
            ledger = await read_ledger(self.database, self.account.id)
            if condition(ledger):
                return ledger
            assert time.monotonic() < deadline, ledger.states
            await asyncio.sleep(0.02)

    def _is_idle(self, ledger: Ledger) -> bool:
        now = self.clock.now()
        due = [row for row in ledger.deliveries if row.state in ("queued", "deferred") and row.due_at <= now]
        return not due and not ledger.count("sending")

    async def attempts(self, email_id: UUID) -> list[object]:
        query = text("SELECT * FROM attempts WHERE email_id = :id ORDER BY position, number")
        async with self.database.reading() as connection:
            return list((await connection.execute(query, {"id": email_id})).all())

    async def execute(self, statement: str, **arguments: object) -> None:
        """Change rows past the flow, as an accident would."""
        async with self.database.transaction() as connection:
            await connection.execute(text(statement), arguments)
