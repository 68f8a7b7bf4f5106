"""A worker as a process: hints by Celery, and what a signal does to what it has in hand."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

from sqlalchemy import text

from hourpost.emails.relays import read_relays_now


async def test_a_hint_reaches_the_worker_long_before_a_sweep(rounds, start_worker):
    await start_worker(sweep_seconds=600)
    await asyncio.sleep(0.3)  # its first look is done
    email_id = await rounds.post("a@x.test")
    await rounds.until(lambda now: now.row(email_id).state == "sent")
    await _tells_of_its_relay(rounds)


async def _tells_of_its_relay(rounds):
    deadline = time.monotonic() + 60
    while True:
        async with rounds.database.reading() as connection:
            if any(one.last_reply for one in await read_relays_now(connection)):
                return
        assert time.monotonic() < deadline, "nothing was told of the relay within a minute"
        await asyncio.sleep(0.2)


async def test_a_lost_hint_is_found_by_the_sweep(rounds, start_worker, own_redis):
    await start_worker(sweep_seconds=1)
    own_redis.kill()
    email_id = await rounds.post("a@x.test", test=True)
    ledger = await rounds.until(lambda now: now.row(email_id).state == "sent")
    own_redis.start()
    ledger.check()


async def test_redis_restarts_while_the_worker_is_busy_and_it_consumes_again(rounds, start_worker, own_redis):
    """Versions of Celery and kombu differ in this; an upgrade must not bring the fault back."""
    worker = await start_worker()
    busy = [await rounds.post(f"slow+200.{n}@x.test") for n in range(40)]
    await asyncio.sleep(0.5)
    await asyncio.to_thread(own_redis.restart)
    await _hears_a_hint(rounds)
    assert worker.poll() is None
    await rounds.until(lambda now: all(now.row(one).state == "sent" for one in busy))
    assert len(rounds.far_end.taken) == 40


async def test_a_redis_that_can_write_nothing_ends_no_worker(rounds, start_worker, own_redis):
    """As with a full disk. What the worker has in hand has nobody else to write down what became of it."""
    worker = await start_worker()
    busy = await rounds.post("slow+1500@x.test")
    await rounds.until(lambda now: now.row(busy).dot_at is not None)
    own_redis.client.config_set("min-replicas-to-write", 1)  # every write is refused, as for want of room
    await rounds.post("a@x.test", test=True)
    await rounds.until(lambda now: now.row(busy).state == "sent")
    own_redis.client.config_set("min-replicas-to-write", 0)
    await _hears_a_hint(rounds)
    assert worker.poll() is None


async def _hears_a_hint(rounds):
    deadline = time.monotonic() + 60
    heard = None
    while heard is None:
        assert time.monotonic() < deadline, "no hint was heard within a minute"
        email_id = await rounds.post("a@x.test", test=True)
        await asyncio.sleep(0.3)
        ledger = await rounds.until(lambda _: True)
        heard = email_id if ledger.row(email_id).state == "sent" else None


async def test_what_a_killed_worker_had_in_hand_is_known_for_what_it_is(rounds, start_worker):
    worker = await start_worker()
    before_dot = await rounds.post("hang-at-rcpt@x.test")
    after_dot = await rounds.post("slow+60000@x.test")
    await rounds.until(lambda now: now.row(before_dot).state == "sending" and now.row(after_dot).dot_at is not None)
    worker.kill()
    await start_worker(sweep_seconds=1)
    ledger = await rounds.until(lambda now: now.row(after_dot).crashes and now.row(before_dot).crashes)
    assert ledger.events[before_dot, 0] == ["queued", "queued"]
    assert ledger.events[after_dot, 0] == ["queued", "unknown"]
    assert ledger.row(after_dot).state == "deferred"


async def test_sigterm_lets_what_is_in_hand_end(rounds, start_worker):
    worker = await start_worker()
    email_id = await rounds.post("slow+1000@x.test")
    await rounds.until(lambda now: now.row(email_id).dot_at is not None)
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 60) == 0
    assert b"Warm shutdown" not in worker.stdout.read()  # a plain line, in a log that may be JSON
    ledger = await rounds.until(lambda _: True)
    assert ledger.events[email_id, 0] == ["queued", "sent"]


async def test_a_courier_that_dies_takes_its_worker_along_and_only_its_own_error_is_told(rounds, own_redis):
    async with rounds.database.transaction() as connection:
        await connection.execute(text("DROP TABLE workers CASCADE"))
    given = {"database_url": rounds.database.url, "redis_url": own_redis.url, "broker": own_redis.broker_url}
    given["relays"] = f"smtp://u:p@127.0.0.1:{rounds.far_end.port}?tls=none"
    command = [sys.executable, "-m", "tests.workers.worker_process", json.dumps(given)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "the courier died" in said
    assert "Event loop is closed" not in said
