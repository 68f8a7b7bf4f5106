"""Webhooks that are deleted or disabled while mail flows: no email and no other webhook has to do with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from hourpost.flow.postman import Postman
from hourpost.webhooks import changes, erasing
from hourpost.webhooks.calls import Result, claim_calls, record_results
from hourpost.webhooks.queries import Webhook
from hourpost.webhooks.shares import Shares, UnderWay
from hourpost.webhooks.telling import announce
from tests.cast import CIPHER, make_account
from tests.flow.rounds import Rounds
from workers.webhooks import WebhookChores

PATIENCE = 15.0


async def make_hook(rounds: Rounds, *types: str) -> Webhook:
    if rounds.account is None:
        rounds.account = await make_account(rounds.database)
    url, now = "https://acme.example/hooks", rounds.clock.now()
    async with rounds.database.transaction() as connection:
        return (await changes.create_webhook(connection, rounds.account.id, url, types, CIPHER, now)).webhook


async def delete(rounds: Rounds, webhook: Webhook) -> None:
    async with rounds.database.transaction() as connection:
        await changes.delete_webhook(connection, webhook.account_id, webhook.id)


@asynccontextmanager
async def being_deleted(rounds: Rounds, webhook: Webhook, *, comes_of_it: bool = True) -> AsyncIterator[None]:
    """Somebody is at deleting a webhook all the while."""
    connection = await rounds.database.listen()
    deletion = connection.transaction()
    await deletion.start()
    await connection.execute("DELETE FROM webhooks WHERE id = $1", webhook.id)
    try:
        async with asyncio.timeout(PATIENCE):
            yield
        await (deletion.commit() if comes_of_it else deletion.rollback())
    finally:
        await connection.close()


async def rows(rounds: Rounds, table: str) -> list[Any]:
    async with rounds.database.reading() as connection:
        return list((await connection.execute(text(f"SELECT * FROM {table}"))).all())


async def erase(rounds: Rounds) -> None:
    postman = Postman(rounds.database, rounds.office.intake, rounds.clock, None)
    await WebhookChores(rounds.database, rounds.clock, postman, "").erase()


@pytest.mark.parametrize(("is_deleted", "calls"), [(True, 0), (False, 2)])
async def test_mail_is_accepted_and_sent_meanwhile_and_nothing_is_missed_where_nothing_comes_of_it(
    rounds: Rounds, is_deleted: bool, calls: int
) -> None:
    webhook = await make_hook(rounds, "email.queued", "email.sent")
    async with being_deleted(rounds, webhook, comes_of_it=is_deleted):
        email_id = await rounds.post("a@far.test")
        ledger = await rounds.round()
        ledger.check()
        assert (ledger.row(email_id).state, ledger.events[email_id, 0]) == ("sent", ["queued", "sent"])
    await erase(rounds)
    assert len(await rows(rounds, "webhook_calls")) == calls


async def test_other_news_do_not_wait_for_it(rounds: Rounds) -> None:
    webhook = await make_hook(rounds, "email.received")
    async with being_deleted(rounds, webhook), rounds.database.transaction() as connection:
        await announce(connection, webhook.account_id, "received", {}, rounds.clock.now())


async def test_what_is_being_called_leaves_nothing_and_takes_no_other_result_along(rounds: Rounds) -> None:
    kept, gone = await make_hook(rounds, "email.queued"), await make_hook(rounds, "email.queued")
    await rounds.post("a@far.test")
    now = rounds.clock.now()
    async with rounds.database.transaction() as connection:
        under_way = await claim_calls(connection, UnderWay(), Shares(), now)
    assert len(under_way) == 2
    results = [Result(one, 200, "", 0.1, now) for one in under_way]
    async with rounds.database.transaction() as connection:
        await delete(rounds, gone)
        await record_results(connection, results, now, 0.0)
    await erase(rounds)
    assert [(one.webhook_id, one.state) for one in await rows(rounds, "webhook_calls")] == [(kept.id, "success")]
    assert [one.webhook_id for one in await rows(rounds, "webhook_attempts")] == [kept.id]


async def test_however_much_there_is_all_goes_and_what_another_has_stays(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "AT_ONCE", 3)
    hooks = [await make_hook(rounds, "email.queued") for _ in range(4)]
    await rounds.post(*[f"a{number}@far.test" for number in range(5)])
    await rounds.execute(
        "INSERT INTO webhook_attempts (id, webhook_id, event_id, response, seconds, sent_at)"
        " SELECT uuidv7(), webhook_id, event_id, '', 1, now() FROM webhook_calls"
    )
    await delete(rounds, hooks[0])
    await delete(rounds, hooks[2])
    await erase(rounds)
    left = {hooks[1].id, hooks[3].id}
    for table in erasing.TABLES:
        found = [one.webhook_id for one in await rows(rounds, table)]
        assert (set(found), len(found)) == (left, 10)


async def test_of_a_deleted_webhook_nothing_is_called_before_it_is_erased(rounds: Rounds) -> None:
    webhook = await make_hook(rounds, "email.queued")
    await rounds.post("a@far.test")
    await delete(rounds, webhook)
    async with rounds.database.transaction() as connection:
        assert await claim_calls(connection, UnderWay(), Shares(), rounds.clock.now()) == []


async def disable(rounds: Rounds, webhook: Webhook) -> None:
    async with rounds.database.transaction() as connection:
        change = changes.Change(enabled=False)
        await changes.update_webhook(connection, webhook.account_id, webhook.id, change, rounds.clock.now())


async def replay(rounds: Rounds, webhook: Webhook) -> None:
    async with rounds.database.transaction() as connection:
        assert await changes.replay_failed(connection, webhook, rounds.clock.now()) == 2


@pytest.mark.parametrize("change", [disable, replay])
async def test_who_changes_all_calls_and_who_writes_results_do_not_wait_in_a_circle(
    rounds: Rounds, change: Callable[[Rounds, Webhook], Awaitable[None]]
) -> None:
    webhook = await make_hook(rounds, "email.queued")
    await rounds.post("a@far.test", "b@far.test")
    first, second = sorted(call.event_id for call in await rows(rounds, "webhook_calls"))
    await rounds.execute(
        "UPDATE webhook_calls SET attempts = 1 WHERE event_id = :id", id=first
    )  # lies behind the other
    await rounds.execute("UPDATE webhook_calls SET attempts = 1 WHERE event_id = :id", id=second)
    await rounds.execute("UPDATE webhook_calls SET attempts = 2 WHERE event_id = :id", id=first)
    results = await rounds.database.listen()
    async with results.transaction():  # as they are written
        await results.execute("UPDATE webhook_calls SET state = 'failed' WHERE event_id = $1", first)
        changing = asyncio.create_task(change(rounds, webhook))
        await asyncio.sleep(0.3)
        await results.execute("UPDATE webhook_calls SET state = 'failed' WHERE event_id = $1", second)
        await results.execute("UPDATE webhooks SET failed_at = now(), failing_since = now() WHERE id = $1", webhook.id)
    await results.close()
    await changing


async def test_the_end_of_a_webhook_waits_for_no_other_worker(rounds: Rounds) -> None:
    webhook, now = await make_hook(rounds, "email.queued"), rounds.clock.now()
    await rounds.post("a@far.test", "b@far.test")
    async with rounds.database.transaction() as connection:
        mine, others = await claim_calls(connection, UnderWay(), Shares(), now)
    since = "UPDATE webhooks SET failing_since = :since, failed_at = :now WHERE id = :id"
    await rounds.execute(since, since=now - timedelta(days=6), now=now, id=webhook.id)
    worker = await rounds.database.listen()
    async with worker.transaction():
        await worker.execute("UPDATE webhook_calls SET state = 'failed' WHERE event_id = $1", others.event_id)
        async with asyncio.timeout(PATIENCE), rounds.database.transaction() as connection:
            (ended,) = await record_results(connection, [Result(mine, 500, "", 0.1, now)], now, 0.0)
    await worker.close()
    assert ended.id == webhook.id
    assert {call.state for call in await rows(rounds, "webhook_calls")} == {"failed"}
