"""The parts as separate processes on external servers, as the compose file runs them: restarts cost no mail."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from bench.drill_client import Client, Unit, units
from bench.drill_judge import Judgement, count_waiting, judge
from bench.far_end import FarEnd
from bench.letters import Sender
from bench.measure import fresh_run
from bench.prefill import add_accounts
from tests.end_to_end.fleet import Fleet
from tests.flow.servers import OwnPostgres, OwnRedis

EMAILS, A_SECOND = 300, 60.0
ALLOWED = 1_000_000
pytestmark = pytest.mark.timeout(600)  # a machine that carries much else takes a minute to start six processes


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OwnPostgres, OwnRedis]]:
    folder = tmp_path_factory.mktemp("servers")
    postgres, redis = OwnPostgres(folder / "postgres"), OwnRedis(folder / "redis")
    yield postgres, redis
    postgres.stop()
    redis.stop()


@pytest.fixture(scope="module")
def far_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarEnd]:
    sink = FarEnd(tmp_path_factory.mktemp("sink"), is_journaling=True)
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture(scope="module")
def fleet(
    servers: tuple[OwnPostgres, OwnRedis], far_end: FarEnd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    postgres, redis = servers
    one = Fleet(
        tmp_path_factory.mktemp("fleet"),
        DATABASE_URL=postgres.url,
        REDIS_URL=redis.url,
        BROKER_URL=redis.broker_url,
        RELAYS=far_end.relay_url(connections=10),
        SWEEP_SECONDS="2",
        LEASE_SECONDS="5",
    )
    try:
        one.start()
        yield one
    finally:
        one.end()


class Sending:
    """A client of an account of its own, and the judge of what became of its mail."""

    def __init__(self, fleet: Fleet, url: str, far_end: FarEnd, sender: Sender, account: UUID) -> None:
        gives_up_at = time.monotonic() + 120
        self.client = Client(fleet.ports["HTTP"], fleet.ports["SUBMISSIONS"], A_SECOND, gives_up_at)
        self.sender = sender
        self._url, self._far_end, self._account = url, far_end, account

    async def until_all_is_sent(self) -> Judgement:
        ends_at = time.monotonic() + 120
        while await count_waiting(self._url, [self._account]):
            assert time.monotonic() < ends_at
            await self._hurry()
            await asyncio.sleep(0.1)
        return await judge(self._url, [self._account], self.client.ledger, self._far_end.journal)

    async def _hurry(self) -> None:
        """What was deferred waits for a minute and more, which is not what is asked here."""
        connection = await asyncpg.connect(self._url)
        await connection.execute("UPDATE deliveries SET due_at = now() WHERE state = 'deferred' AND due_at > now()")
        await connection.close()


@pytest_asyncio.fixture
async def sending(fleet: Fleet, servers: tuple[OwnPostgres, OwnRedis], far_end: FarEnd) -> AsyncIterator[Sending]:
    url = servers[0].url
    await far_end.ask("delay 20")
    far_end.journal.write_bytes(b"")
    (sender,) = await add_accounts(url, 1, ALLOWED)
    connection = await asyncpg.connect(url)
    account = await connection.fetchval("SELECT account_id FROM domains WHERE $1 LIKE '%@' || name", sender.address)
    await connection.close()
    yield Sending(fleet, url, far_end, sender, account)


async def test_an_email_by_http_and_one_by_smtp_pass_through_processes_that_share_only_the_servers(
    sending: Sending,
) -> None:
    run = fresh_run()
    wanted = [Unit(kind, sending.sender, range(n, n + 1), f"{run}-{n}") for n, kind in enumerate(("single", "smtp"))]
    await sending.client.run(iter(wanted), lambda _: None, workers=2)
    judgement = await sending.until_all_is_sent()
    assert (judgement.accepted, judgement.delivered, judgement.is_clean) == (2, 2, True), judgement
    assert sending.client.ledger.repeats == 0


async def test_every_part_restarted_in_turn_under_load_loses_nothing_and_doubles_nothing(
    fleet: Fleet, sending: Sending
) -> None:
    wanted = units([(sending.sender, 1.0)], EMAILS, fresh_run())
    sent = asyncio.create_task(sending.client.run(wanted, lambda _: None))
    codes = []
    first, second = fleet.named("worker")
    codes.append(await asyncio.to_thread(first.stop))  # the other goes on alone
    for part in (second, *fleet.named("scheduler"), *fleet.named("smtp"), *fleet.named("web")):
        if part is second:
            first.start()
            await asyncio.to_thread(first.wait)
        codes.append(await asyncio.to_thread(part.stop))
        part.start()
        await asyncio.to_thread(part.wait)
    await asyncio.wait_for(sent, 120)
    judgement = await sending.until_all_is_sent()
    assert (judgement.accepted, judgement.delivered) == (EMAILS, EMAILS), judgement
    assert judgement.is_clean, judgement
    assert judgement.twice_in_data == 0, judgement  # nobody was killed in the middle of it
    assert set(codes) <= {0, -signal.SIGTERM}  # uvicorn raises its signal again when all is done


async def test_everything_killed_at_once_and_started_in_any_order_loses_nothing(
    fleet: Fleet, sending: Sending, servers: tuple[OwnPostgres, OwnRedis]
) -> None:
    """Parts and Redis by ``kill -9``, PostgreSQL at once too, under load; they come back in another order."""
    postgres, redis = servers
    wanted = units([(sending.sender, 1.0)], EMAILS, fresh_run())
    is_under_way = asyncio.Event()

    def told(_: int) -> None:
        if len(sending.client.ledger.accepted) >= EMAILS // 4:
            is_under_way.set()

    sent = asyncio.create_task(sending.client.run(wanted, told))
    await asyncio.wait_for(is_under_way.wait(), 60)
    assert not sent.done()
    await asyncio.to_thread(_kill_everything, fleet, postgres, redis)
    await asyncio.to_thread(_start_everything, fleet, postgres, redis)
    await asyncio.wait_for(sent, 120)
    judgement = await sending.until_all_is_sent()
    assert (judgement.accepted, judgement.delivered) == (EMAILS, EMAILS), judgement
    assert judgement.is_clean, judgement  # twice only what was in DATA


def _kill_everything(fleet: Fleet, postgres: OwnPostgres, redis: OwnRedis) -> None:
    postgres.kill()
    redis.kill()
    fleet.kill()


def _start_everything(fleet: Fleet, postgres: OwnPostgres, redis: OwnRedis) -> None:
    redis.start()
    postgres.start()
    for part in reversed(fleet.parts):
        part.start()
    fleet.wait()
