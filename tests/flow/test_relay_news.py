"""News of the relays: what the workers that live know of each, put together for the operator."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from bench.sink_state import Config, Fault
from hourpost.database import Database
from hourpost.emails.relays import RelayNow, read_relays_now
from hourpost.flow.claim import enrol
from hourpost.flow.relay_news import RelayNews
from hourpost.gateways.relays import RelayPool
from hourpost.rules.ids import new_id
from tests.gateways.relay_partners import CONTENT, envelope, plain, pool_of, send_one, sink_for, steady_breaker


async def worker(database: Database, name: str) -> UUID:
    found = new_id()
    async with database.transaction() as connection:
        await enrol(connection, found, name, 600)
    return found


async def tell(database: Database, who: UUID, pool: RelayPool) -> None:
    await RelayNews(database, lambda: who, pool.health).tell()


async def told(database: Database, port: int) -> RelayNow | None:
    async with database.reading() as connection:
        found = {one.relay: one for one in await read_relays_now(connection)}
    return found.get(f"127.0.0.1:{port}")


async def test_what_a_relay_answered_is_told_until_the_worker_goes(database: Database) -> None:
    ada = await worker(database, f"ada:{new_id()}")
    async with sink_for() as (_, port), pool_of(plain(port, connections=7)) as pool:
        await tell(database, ada, pool)
        fresh = await told(database, port)
        await send_one(pool)
        await tell(database, ada, pool)
        found = await told(database, port)
    assert fresh is not None
    assert (fresh.state, fresh.is_asked, fresh.median_seconds, fresh.last_reply) == ("closed", False, None, None)
    assert found is not None
    assert (found.state, found.of_workers, found.workers) == ("closed", 1, 1)
    assert (found.in_use, found.connections, found.most_connections, found.waiting) == (0, 1, 7, 0)
    assert found.last_reply is not None
    assert found.last_reply.startswith("dot: 250 ")
    assert found.median_seconds is not None
    assert found.last_reply_at is not None
    assert found.since <= found.last_reply_at
    await RelayNews(database, lambda: ada, pool.health).fall_silent()
    assert await told(database, port) is None


async def test_the_worst_that_any_worker_knows_is_told_and_of_how_many(database: Database) -> None:
    ada, bob = [await worker(database, f"{name}:{new_id()}") for name in ("ada", "bob")]
    config = Config()
    async with sink_for(config) as (_, port), pool_of(plain(port)) as good:
        await send_one(good)
        config.faults["connect"] = Fault("421")
        async with pool_of(plain(port), breaker=steady_breaker, clock=lambda: 1000.0) as bad:
            for _ in range(2):
                await bad.send(envelope(), CONTENT)
            await tell(database, ada, good)
            await tell(database, bob, bad)
            found = await told(database, port)
    assert found is not None
    assert (found.state, found.of_workers, found.workers) == ("open", 1, 2)
    assert found.last_fault is not None
    assert "421" in found.last_fault
    assert (found.last_reply or "").startswith("dot: 250 ")  # the other's


@pytest.mark.parametrize("gone", ["leased_until = now() - interval '1 second'", "name = 'other'"])
async def test_who_is_gone_or_goes_on_under_a_new_id_does_not_count_twice(database: Database, gone: str) -> None:
    name = f"ada:{new_id()}"
    old, new = [await worker(database, name) for _ in range(2)]
    async with sink_for() as (_, port), pool_of(plain(port)) as pool:
        await send_one(pool)
        await tell(database, old, pool)
        await tell(database, new, pool)
        found = await told(database, port)
        assert found is not None
        assert found.connections == 1
        async with database.transaction() as connection:
            await connection.execute(text(f"UPDATE workers SET {gone} WHERE id = :id"), {"id": new})
        found = await told(database, port)
        assert found is not None
        assert found.connections == (1 if "leased" in gone else 2)
