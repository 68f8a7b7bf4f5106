"""``queue show`` and ``limit show``: why anything waits, and how much of each hour is used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from hourpost.database import Database
from hourpost.rules.ids import from_text, new_id
from tests.cli.conftest import Run

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Waiting:
    """A delivery in some state, accepted ``age`` seconds ago, due in ``due``; ``spent`` tokens are out beside it.

    They were taken ``spent_ago`` seconds ago.
    """

    state: str
    age: int = 0
    due: int = 0
    waits_for: str | None = None
    spent: int = 0
    spent_ago: int = 0


Deliver = Callable[[Waiting], None]


@pytest.fixture
def deliver(database: Database, acme: str) -> Deliver:
    """Stores a delivery of the account, in an event loop of its own as the command line has one."""
    return lambda waiting: asyncio.run(_store(database.url, acme, waiting))


async def _store(url: str, account: str, waiting: Waiting) -> None:
    database = Database(url, pool_size=2)
    moment_ms = int((NOW - timedelta(seconds=waiting.age)).timestamp() * 1000)
    row = {
        "account": from_text("acc", account),
        "email": UUID(int=(moment_ms << 80) | (new_id().int & ((1 << 80) - 1))),
        "state": waiting.state,
        "due": NOW + timedelta(seconds=waiting.due),
        "waits_for": waiting.waits_for,
        "spent": waiting.spent,
        "spent_ago": waiting.spent_ago,
    }
    async with database.transaction() as connection:
        for statement in (_EMAIL, _DELIVERY, _SPEND):
            await connection.execute(text(statement), row)
    await database.close()


_EMAIL = """INSERT INTO emails (id, account_id, source, test, envelope_from, header_from, from_address, subject,
    message_id, parts, size_bytes, content_id, created_at)
    VALUES (:email, :account, 'forward', false, '', '', '', '', '', '{}', 0, :email, now())"""  # of no domain
_DELIVERY = """INSERT INTO deliveries (email_id, position, account_id, address, domain, state, due_at, attempts,
    crashes, waits_for, changed_at)
    VALUES (:email, 0, :account, 'a@x.net', 'x.net', :state, :due, 0, 0, :waits_for, now())"""
_SPEND = """INSERT INTO spends (account_id, spent_at, count)
    SELECT :account, now() - make_interval(secs => :spent_ago), :spent WHERE :spent > 0"""


def test_what_waits_is_counted_by_cause(hourpost: Run, acme: str, deliver: Deliver) -> None:
    for _ in range(3):
        deliver(Waiting("held"))
    deliver(Waiting("scheduled", due=600))
    deliver(Waiting("queued"))
    deliver(Waiting("deferred", due=60, waits_for="destination"))
    deliver(Waiting("deferred", due=60))
    deliver(Waiting("sending"))
    deliver(Waiting("sent"))
    shown = hourpost("queue", "show", "--account", acme, "--json").json
    counts = {cause["cause"]: cause["waiting"] for cause in shown["causes"]}
    assert counts == {"plan": 3, "schedule": 1, "worker": 1, "destination": 1, "retry": 1, "sending": 1}
    assert shown["waiting"] == 8
    assert all(cause["meaning"] for cause in shown["causes"])


def test_the_oldest_is_told_by_its_acceptance(hourpost: Run, acme: str, deliver: Deliver) -> None:
    deliver(Waiting("held", age=7200))
    deliver(Waiting("held"))
    (cause,) = hourpost("queue", "show", "--account", acme, "--json").json["causes"]
    assert 7200 <= cause["oldest_seconds"] < 7200 + 1800  # the age counts from when the module was read
    assert "2 h" in hourpost("queue", "show", "--account", acme).output


def test_what_is_held_is_told_when_its_hour_has_room_again(hourpost: Run, acme: str, deliver: Deliver) -> None:
    deliver(Waiting("held"))
    (cause,) = hourpost("queue", "show", "--account", acme, "--json").json["causes"]
    assert cause["next_at"] is None
    before = datetime.now(UTC)
    deliver(Waiting("held", spent=1000))
    (cause,) = hourpost("queue", "show", "--account", acme, "--json").json["causes"]
    wait = datetime.fromisoformat(cause["next_at"]) - before
    assert timedelta(minutes=59) < wait < timedelta(minutes=65)


@pytest.mark.parametrize("has_redis", [True, False])
def test_of_a_lowered_limit_queue_and_limit_tell_the_same(
    hourpost: Run, acme: str, deliver: Deliver, monkeypatch: pytest.MonkeyPatch, has_redis: bool
) -> None:
    deliver(Waiting("held", spent=10, spent_ago=3000))
    deliver(Waiting("held", spent=10, spent_ago=600))
    if not has_redis:
        monkeypatch.setenv("HOURPOST_REDIS_URL", "redis://127.0.0.1:1/0")
    hourpost("account", "plan", "--account", acme, "--set", "path", "--limit", "5")
    (cause,) = hourpost("queue", "show", "--account", acme, "--json").json["causes"]
    (hour,) = hourpost("limit", "show", "--account", acme, "--json").json["data"]
    assert (hour["used"], hour["source"]) == (20, "redis" if has_redis else "postgresql")
    assert cause["next_at"] == hour["next_free_at"]
    assert datetime.fromisoformat(hour["next_free_at"]) > NOW + timedelta(minutes=45)  # when the later ten come back


def test_of_an_account_without_a_plan_nobody_knows_when_what_is_held_leaves(
    hourpost: Run, acme: str, deliver: Deliver
) -> None:
    deliver(Waiting("held", spent=5))
    hourpost("account", "plan", "--account", acme, "--set", "none")
    (cause,) = hourpost("queue", "show", "--account", acme, "--json").json["causes"]
    assert (cause["waiting"], cause["next_at"]) == (1, None)


def test_an_empty_queue_says_so(hourpost: Run, acme: str) -> None:
    assert "Nothing waits" in hourpost("queue", "show", "--account", acme).error
    assert hourpost("queue", "show", "--account", acme, "--json").json["causes"] == []


def test_a_cold_hour_is_counted_in_postgresql(hourpost: Run, acme: str, deliver: Deliver) -> None:
    deliver(Waiting("held", spent=40))
    (shown,) = hourpost("limit", "show", "--account", acme, "--json").json["data"]
    assert (shown["used"], shown["remaining"], shown["held"], shown["source"]) == (40, 960, 1, "postgresql")


def test_without_redis_the_hour_is_counted_in_postgresql(
    hourpost: Run, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOURPOST_REDIS_URL", "redis://127.0.0.1:1/0")
    done = hourpost("limit", "show", "--account", acme, "--json")
    assert done.json["data"][0]["source"] == "postgresql"
    assert "counted in PostgreSQL" in done.error


def test_a_new_plan_lets_go_what_was_held(hourpost: Run, acme: str, deliver: Deliver) -> None:
    deliver(Waiting("held", spent=1000))
    changed = hourpost("account", "plan", "--account", acme, "--set", "skilled", "--json").json
    assert changed["released"] == 1
    (shown,) = hourpost("limit", "show", "--account", acme, "--json").json["data"]
    assert (shown["used"], shown["held"], shown["source"]) == (1001, 0, "redis")


def test_while_redis_is_away_a_new_plan_is_stored_all_the_same(
    hourpost: Run, acme: str, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(Waiting("held"))
    monkeypatch.setenv("HOURPOST_REDIS_URL", "redis://127.0.0.1:1/0")
    done = hourpost("account", "plan", "--account", acme, "--set", "skilled", "--json")
    assert (done.json["plan"], done.json["released"]) == ("skilled", None)
    assert "scheduler" in done.error


def test_all_accounts_are_listed_in_a_table(hourpost: Run, acme: str) -> None:
    done = hourpost("limit", "show")
    assert done.exit_code == 0
    assert "remaining" in done.output
