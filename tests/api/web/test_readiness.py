"""Whether a web process can work, on servers of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import text

from hourpost.database import Database
from hourpost.settings import Settings
from tests.api.web.conftest import Customer
from tests.api.web.running import RunningWeb
from tests.embedded.running import eventually


@pytest.fixture
def own_web(settings: Settings, fresh_database_url: str) -> Iterator[RunningWeb]:
    """A web process on a database of its own."""
    running = RunningWeb(settings.model_copy(update={"database_url": SecretStr(fresh_database_url)}))
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("revision", "status", "said"),
    [("0000", 503, "not migrated"), ("somebody else's", 503, "not migrated"), ("9999", 200, "ok")],
)
def test_a_newer_database_is_as_good_as_its_own_while_others_are_upgraded(
    own_web: RunningWeb, fresh_database_url: str, revision: str, status: int, said: str
) -> None:
    async def set_revision() -> None:
        database = Database(fresh_database_url, pool_size=1)
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
        await database.close()

    asyncio.run(set_revision())
    answer = httpx.get(f"{own_web.url}/readyz", timeout=20)
    assert (answer.status_code, said in answer.text) == (status, True)


def test_a_redis_that_is_full_is_said_to_be_and_mail_is_taken_and_held(owner: Customer, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", 1)
        try:
            for _ in range(20):  # between two that it refuses it is asked for nothing that needs room
                assert owner.send().status_code in (200, 202)
                ready = owner.http.get("/readyz")
                if ready.status_code == 503:
                    break
        finally:
            client.config_set("maxmemory", 0)
            eventually(lambda: owner.http.get("/readyz").status_code == 200)  # others use the same
    assert ready.json()["message"].startswith("Not ready; redis: takes nothing: OOM command not allowed")
