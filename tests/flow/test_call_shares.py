"""The calls of a process are shared: neither one account nor what fails has so many that others wait."""

from __future__ import annotations

from collections import Counter
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from hourpost.webhooks import changes
from hourpost.webhooks.calls import Claimed, claim_calls
from hourpost.webhooks.shares import Shares, UnderWay
from tests.cast import CIPHER, make_account
from tests.flow.rounds import Rounds

SHARES = Shares(most=20, of_account=6, of_webhook=3, failing=4, of_failing=2)
_OWE = """
INSERT INTO webhook_calls (webhook_id, event_id, kind, payload, due_at, created_at)
SELECT :webhook, gen_random_uuid(), 'received', '{}', CAST(:now AS timestamptz) - make_interval(secs => n), :now
FROM generate_series(1, :calls) AS n
"""


async def owed(rounds: Rounds, *calls: int, failing: bool = False) -> UUID:
    """An account with a webhook for each number, which is owed so many calls."""
    account, now = (await make_account(rounds.database)).id, rounds.clock.now()
    for count in calls:
        await hook(rounds, account, count)
    if failing:
        await rounds.execute("UPDATE webhooks SET failing_since = :now WHERE account_id = :id", now=now, id=account)
    return account


async def hook(rounds: Rounds, account: UUID, calls: int) -> UUID:
    now = rounds.clock.now()
    async with rounds.database.transaction() as connection:
        made = await changes.create_webhook(connection, account, "https://a.test", ["email.sent"], CIPHER, now)
    await rounds.execute(_OWE, webhook=made.webhook.id, calls=calls, now=now)
    return made.webhook.id


async def claim(rounds: Rounds, under_way: UnderWay, shares: Shares = SHARES) -> list[Claimed]:
    async with rounds.database.transaction() as connection:
        claimed = await claim_calls(connection, under_way, shares, rounds.clock.now())
    for call in claimed:
        under_way.begin(call.webhook_id, call.account_id, is_failing=call.is_failing)
    return claimed


async def test_behind_the_many_calls_of_one_account_those_of_another_are_found(rounds: Rounds) -> None:
    busy, under_way = await owed(rounds, *[50] * 8), UnderWay()
    await claim(rounds, under_way)
    other = await owed(rounds, 2)
    assert [call.account_id for call in await claim(rounds, under_way)] == [other, other]
    assert under_way.accounts == {(busy, False): SHARES.of_account, (other, False): 2}
    assert max(under_way.webhooks.values()) <= SHARES.of_webhook


async def test_what_has_ended_leaves_its_room(rounds: Rounds) -> None:
    under_way = UnderWay()
    await owed(rounds, 9, 9)
    claimed = await claim(rounds, under_way)
    assert await claim(rounds, under_way) == []
    under_way.end(claimed[0].webhook_id, claimed[0].account_id, is_failing=False)
    assert [call.webhook_id for call in await claim(rounds, under_way)] == [claimed[0].webhook_id]


async def test_where_not_all_have_room_each_account_is_given_some(rounds: Rounds) -> None:
    accounts = [await owed(rounds, 9, 9) for _ in range(10)]
    claimed = await claim(rounds, UnderWay())
    assert Counter(call.account_id for call in claimed) == dict.fromkeys(accounts, 2)


async def test_behind_the_older_calls_of_its_siblings_a_webhook_has_the_next_turn(rounds: Rounds) -> None:
    under_way = UnderWay()
    account = await owed(rounds, 30, 30)
    ended, *_ = await claim(rounds, under_way)
    rounds.clock.advance(1)
    newer = await hook(rounds, account, 1)
    rounds.clock.advance(10)
    under_way.end(ended.webhook_id, account, is_failing=False)
    assert [call.webhook_id for call in await claim(rounds, under_way)] == [newer]


@pytest.mark.parametrize("accounts", [[(20,)], [(1,) * 20], [(1,)] * 20, [(3, 9), (1, 2), (5,)]])
async def test_of_two_workers_at_once_each_finds_calls(rounds: Rounds, accounts: list[tuple[int, ...]]) -> None:
    shares = Shares(most=5)
    for calls in accounts:
        await owed(rounds, *calls)
    async with rounds.database.transaction() as one, rounds.database.transaction() as other:
        claimed = [await claim_calls(each, UnderWay(), shares, rounds.clock.now()) for each in (one, other)]
    assert [len(calls) for calls in claimed] == [5, 5]
    assert len({call.key for calls in claimed for call in calls}) == 10


async def test_a_second_look_keeps_to_the_shares(rounds: Rounds) -> None:
    for _ in range(2):
        await owed(rounds, *[1] * 20)
    async with rounds.database.transaction() as one, rounds.database.transaction() as other:
        for connection in (one, other):
            claimed = await claim_calls(connection, UnderWay(), SHARES, rounds.clock.now())
            assert set(Counter(call.account_id for call in claimed).values()) == {SHARES.of_account}


async def test_a_claim_locks_no_more_than_it_takes(rounds: Rounds) -> None:
    for _ in range(9):
        await owed(rounds, 9)
    async with rounds.database.transaction() as one, rounds.database.transaction() as other:
        assert len(await claim_calls(one, UnderWay(), Shares(most=5), rounds.clock.now())) == 5
        free = await other.execute(text("SELECT 1 FROM webhook_calls FOR UPDATE SKIP LOCKED"))
        assert len(free.all()) == 9 * 9 - 5


async def test_what_fails_has_few_calls_however_many_fail(rounds: Rounds) -> None:
    under_way = UnderWay()
    for _ in range(4):
        await owed(rounds, 9, 9, 9, failing=True)
    await claim(rounds, under_way)
    assert (under_way.failing, under_way.calls) == (SHARES.failing, SHARES.failing)
    assert max(under_way.accounts.values()) <= SHARES.of_failing
    assert max(under_way.webhooks.values()) == 1
    sound = await owed(rounds, 9)
    assert {call.account_id for call in await claim(rounds, under_way)} == {sound}


@pytest.mark.parametrize("calls", [(40,), (1, 1, 1, 1, 40), (0, 0, 0, 40)])
async def test_an_account_alone_has_its_share_of_whichever_webhook(rounds: Rounds, calls: tuple[int, ...]) -> None:
    await owed(rounds, *calls)
    assert len(await claim(rounds, UnderWay())) >= SHARES.of_webhook


def test_what_is_no_longer_under_way_is_forgotten() -> None:
    under_way, webhook, account = UnderWay(), uuid4(), uuid4()
    under_way.begin(webhook, account, is_failing=True)
    under_way.end(webhook, account, is_failing=True)
    assert (under_way.calls, under_way.failing, len(under_way.accounts)) == (0, 0, 0)
