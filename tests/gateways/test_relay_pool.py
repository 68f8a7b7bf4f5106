"""All relays together: reuse, weights, fail-over, breakers, and fairness when something is slow."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import structlog

from bench.sink_state import Config, Fault
from hourpost.gateways.relays import Outcome, Patience, Postponed, RelayPool, Stage
from hourpost.gateways.relays import pool as pool_module
from hourpost.gateways.relays.lane import LOGIN_REFUSED
from tests.gateways.relay_partners import (
    CONTENT,
    envelope,
    impatient,
    outcomes_of,
    plain,
    pool_of,
    send_one,
    sink_for,
    steady_breaker,
)


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def send_many(pool: RelayPool, count: int, domain: str = "example.net") -> list[Outcome]:
    sent = [pool.send(envelope(f"r{number}@{domain}"), CONTENT) for number in range(count)]
    return [outcomes_of(result)[0] for result in await asyncio.gather(*sent)]


async def settle(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits until a condition holds, at most so long."""
    for _ in range(int(seconds * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    assert condition()


# connections


async def test_one_connection_is_logged_in_once_and_used_again() -> None:
    async with sink_for(Config("user", "secret")) as (sink, port):
        async with pool_of(plain(port, username="user", password="secret")) as pool:
            for _ in range(5):
                assert (await send_one(pool)).is_accepted
        assert (sink.stats.connections, sink.stats.logins, sink.stats.messages) == (1, 1, 5)


async def test_connections_are_opened_in_parallel_and_never_too_many() -> None:
    async with sink_for(Config(delay_per_message=0.05)) as (sink, port):
        async with pool_of(plain(port, connections=10)) as pool:
            assert all(outcome.is_accepted for outcome in await send_many(pool, 100))
        assert sink.stats.connections == 10


async def test_a_connection_that_lies_idle_too_long_is_closed() -> None:
    clock = Clock()
    async with sink_for() as (sink, port), pool_of(plain(port), clock=clock, patience=Patience(idle=30.0)) as pool:
        await send_one(pool)
        clock.now += 31.0
        await settle(lambda: not sink.sessions)
        assert (await send_one(pool)).is_accepted
        assert sink.stats.connections == 2


async def test_idle_connections_that_the_relay_has_cut_are_replaced_unnoticed() -> None:
    async with sink_for() as (sink, port), pool_of(plain(port, connections=5)) as pool:
        await send_many(pool, 20)
        sink.drop_sessions()
        assert all(outcome.is_accepted for outcome in await send_many(pool, 20))
        assert pool.health()[0].breaker == "closed"
        assert sink.stats.messages == 40


async def test_a_relay_that_says_421_to_an_idle_connection_is_not_blamed() -> None:
    config = Config(delay_per_message=0.01)
    async with sink_for(config) as (_, port), pool_of(plain(port)) as pool:
        await send_one(pool)
        config.faults["mail"] = Fault("421", times=1)
        assert (await send_one(pool)).is_accepted
        assert pool.health()[0].breaker == "closed"


async def test_a_relay_that_refuses_more_connections_is_used_with_those_it_takes() -> None:
    config = Config(delay_per_message=0.03)
    async with sink_for(config) as (_, port), pool_of(plain(port, connections=8)) as pool:
        await send_one(pool)
        config.faults["connect"] = Fault("421")
        assert all(outcome.is_accepted for outcome in await send_many(pool, 20))
        health = pool.health()[0]
        assert (health.breaker, health.connections, health.most_connections) == ("closed", 1, 1)


# several relays


@pytest.mark.parametrize("overlap", [True, False])
async def test_relays_share_the_mail_by_weight(overlap: bool) -> None:
    async with sink_for() as (one, first), sink_for() as (three, second):
        async with pool_of(plain(first, overlap=overlap), plain(second, weight=3, overlap=overlap)) as pool:
            for _ in range(40):
                await send_one(pool)
        assert (one.stats.messages, three.stats.messages) == (10, 30)


@pytest.mark.parametrize("stage", ["connect", "ehlo", "auth", "mail", "rcpt", "data"])
@pytest.mark.parametrize("action", ["421", "drop"])
async def test_another_relay_takes_what_one_turns_away_before_the_content(stage: str, action: str) -> None:
    bad = Config("user", "secret", faults={stage: Fault(action)})
    async with sink_for(bad) as (_, broken), sink_for() as (good, port):
        login = {"username": "user", "password": "secret"}
        async with pool_of(plain(broken, weight=100, **login), plain(port)) as pool:
            assert (await send_one(pool)).relay == f"127.0.0.1:{port}"
        assert good.stats.messages == 1


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(
    "action", ["530 5.7.0 Authentication required", "454 4.7.1 Relay access denied", "550 relaying denied"]
)
async def test_another_relay_takes_what_one_refuses_to_carry_for_us(stage: str, action: str) -> None:
    async with sink_for(Config(faults={stage: Fault(action)})) as (_, broken), sink_for() as (good, port):
        async with pool_of(plain(broken, weight=100), plain(port)) as pool:
            assert (await send_one(pool)).relay == f"127.0.0.1:{port}"
        assert good.stats.messages == 1


async def test_a_relay_that_wants_everybody_to_log_in_is_left_alone() -> None:
    config = Config(faults={"mail": Fault("530 5.7.0 Authentication required")})
    async with sink_for(config) as (_, broken), sink_for() as (good, port):
        async with pool_of(plain(broken, weight=100), plain(port)) as pool:
            for _ in range(20):
                assert (await send_one(pool)).is_accepted
            assert [lane.breaker for lane in pool.health()] == ["open", "closed"]
        assert good.stats.messages == 20


async def test_where_all_relays_refuse_to_carry_it_their_words_are_kept() -> None:
    config = Config(faults={"rcpt": Fault("554 5.7.1 Relay access denied")})
    async with (
        sink_for(config) as (_, one),
        sink_for(config) as (_, other),
        pool_of(plain(one), plain(other)) as pool,
    ):
        assert (await send_one(pool)).text == "Relay access denied"


@pytest.mark.parametrize("is_warm", [False, True])
async def test_a_burst_that_fills_all_lines_is_shared_by_weight_too(is_warm: bool) -> None:
    config = Config(delay_per_message=0.02)
    async with sink_for(config) as (heavy, first), sink_for(config) as (light, second):
        specs = plain(first, weight=3, connections=4), plain(second, connections=4)
        async with pool_of(*specs) as pool:
            if is_warm:
                await send_many(pool, 8)
            before = heavy.stats.messages
            await send_many(pool, 120)
        assert heavy.stats.messages + light.stats.messages == 120 + 8 * is_warm
        assert 70 <= heavy.stats.messages - before <= 105


@pytest.mark.parametrize(
    ("stage", "action"),
    [
        ("mail", "451"),
        ("mail", "452 4.3.1 Insufficient system storage"),
        ("mail", "550 5.7.1 account suspended"),
        ("rcpt", "451 4.3.0 Temporary lookup failure"),
        ("data", "452"),
        ("dot", "452 4.3.1 Insufficient system storage"),
    ],
)
async def test_another_relay_takes_what_one_is_in_no_state_to_take(stage: str, action: str) -> None:
    async with sink_for(Config(faults={stage: Fault(action)})) as (sick, broken), sink_for() as (good, port):
        async with pool_of(plain(broken, weight=100), plain(port)) as pool:
            assert all(outcome.is_accepted for outcome in await send_many(pool, 20))
        assert (sick.stats.messages, good.stats.messages) == (0, 20)


async def test_what_one_relay_refuses_of_a_sender_waits_for_another_that_is_busy_or_away(unused_tcp_port: int) -> None:
    picky, slow = Config(faults={"mail": Fault("550 5.7.1 not your address")}), Config(delay_per_message=0.2)
    async with sink_for(picky) as (_, first), sink_for(slow) as (_, second):
        for other in (plain(unused_tcp_port), plain(second, connections=1)):
            options = {"patience": Patience(waiting=0.5)}
            async with pool_of(plain(first, weight=100), other, **options) as pool:
                results = await asyncio.gather(*(pool.send(envelope(), CONTENT) for _ in range(12)))
            bounced = [one for one in results if isinstance(one, list) and not one[0].is_accepted]
            assert not bounced
            assert any(isinstance(one, Postponed) for one in results)


async def test_another_relay_is_asked_for_whom_one_was_in_no_state_to_take_in_the_middle() -> None:
    names = ("a@x.test", "defer+452@x.test", "b@x.test")
    async with sink_for() as (first, sick), sink_for() as (good, port):
        async with pool_of(plain(sick, weight=100), plain(port)) as pool:
            result = outcomes_of(await pool.send(envelope(*names), CONTENT))
        assert [outcome.code for outcome in result] == [250, 452, 250]
        assert (first.stats.recipients, first.stats.refused, good.stats.refused) == (2, 1, 1)


@pytest.mark.parametrize("action", ["450", "451 4.7.1 greylisted", "452 4.2.2 full", "452 4.5.3 enough", "550"])
async def test_no_other_relay_is_asked_where_one_has_judged_the_message(action: str) -> None:
    async with sink_for(Config(faults={"rcpt": Fault(action)})) as (_, strict), sink_for() as (other, port):
        async with pool_of(plain(strict, weight=100), plain(port)) as pool:
            assert (await send_one(pool)).code == int(action[:3])
        assert other.stats.messages == 0


async def test_no_other_relay_is_asked_where_the_answer_was_lost() -> None:
    async with sink_for(Config(faults={"dot": Fault("lost")})) as (first, bad), sink_for() as (other, port):
        async with pool_of(plain(bad, weight=100), plain(port)) as pool:
            assert (await send_one(pool)).answer_lost
        assert (first.stats.messages, other.stats.messages) == (1, 0)


async def test_recipients_that_were_answered_keep_their_answer_when_the_rest_moves_on() -> None:
    names = ("bounce+550@x.test", "bounce+421@x.test", "c@x.test")
    async with (
        sink_for() as (_, first),
        sink_for() as (second, port),
        pool_of(plain(first, weight=100), plain(port)) as pool,
    ):
        result = outcomes_of(await pool.send(envelope(*names), CONTENT))
    assert [outcome.recipient for outcome in result] == list(names)
    assert result[0].code == 550
    assert [outcome.relay for outcome in result[1:]] == [f"127.0.0.1:{port}"] * 2
    assert second.stats.messages == 0


async def test_a_dead_relay_leaves_the_rate_of_the_others(unused_tcp_port: int) -> None:
    async with sink_for() as (sink, port):
        async with pool_of(plain(unused_tcp_port, weight=5), plain(port)) as pool:
            assert all(outcome.is_accepted for outcome in await send_many(pool, 200))
            assert pool.health()[0].counts.login_failures <= 10
        assert sink.stats.messages == 200


async def test_a_slow_relay_leaves_the_rate_of_the_others() -> None:
    async with sink_for(Config(delay_per_message=60.0)) as (slow, first), sink_for() as (fast, port):
        async with pool_of(plain(first, connections=5), plain(port, connections=5), timeouts=impatient("dot")) as pool:
            sent = [asyncio.create_task(pool.send(envelope(f"r{number}@x.test"), CONTENT)) for number in range(40)]
            await settle(lambda: fast.stats.messages >= 20)
            done = [asyncio.create_task(send_one(pool)) for _ in range(300)]
            await settle(lambda: sum(task.done() for task in done) >= 290)
            await cancel([*sent, *done])
        assert fast.stats.messages > 10 * slow.stats.messages


async def test_a_relay_that_takes_connections_and_says_nothing_is_given_no_more_mail() -> None:
    clock, silent = Clock(), socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    async with sink_for() as (sink, second), pool_of(plain(port, weight=9), plain(second), clock=clock) as pool:
        first = [asyncio.create_task(pool.send(envelope(), CONTENT)) for _ in range(10)]
        await settle(lambda: sink.stats.messages == 1 and pool.health()[0].connecting > 0)
        clock.now += 5.0
        assert all(outcome.is_accepted for outcome in await send_many(pool, 50))
        assert pool.health()[0].waiting == 9
        clock.now += 20.0  # what has waited for it goes to the other
        assert all(outcomes_of(result)[0].is_accepted for result in await asyncio.gather(*first))
    silent.close()


async def test_a_silent_relay_that_is_healed_is_used_a_minute_later() -> None:
    clock, config = Clock(), Config(faults={"connect": Fault("hang")})
    async with sink_for(config) as (sink, port), pool_of(plain(port), clock=clock) as pool:
        waits = asyncio.create_task(pool.send(envelope(), CONTENT))
        await settle(lambda: sink.stats.connections == 1)
        config.faults.clear()
        clock.now += 61.0
        assert isinstance(await waits, Postponed)
        await settle(lambda: pool.health()[0].connections == 1)
        await settle(lambda: pool.health()[0].connecting == 0)  # what has hung is given up
        assert (await send_one(pool)).is_accepted
        assert sink.stats.connections == 2


async def test_a_relay_that_greets_late_is_waited_for() -> None:
    clock, config = Clock(), Config(faults={"connect": Fault("hang")})
    async with sink_for(config) as (sink, port), pool_of(plain(port), clock=clock) as pool:
        waits = asyncio.create_task(pool.send(envelope(), CONTENT))
        for probes in range(1, 4):
            await settle(lambda: sink.stats.connections == probes)  # noqa: B023  # it is done before the next turn
            assert pool.health()[0].connecting == probes  # none was given up
            clock.now += 60.0
        assert isinstance(await waits, Postponed)


# the breaker


async def test_while_every_relay_is_down_the_caller_is_told_when_to_come_back(unused_tcp_port: int) -> None:
    clock = Clock()
    async with pool_of(plain(unused_tcp_port), clock=clock, breaker=steady_breaker) as pool:
        first = await pool.send(envelope(), CONTENT)
        assert isinstance(first, Postponed)
        assert (first.held_by, first.seconds) == ("relay", 1.0)
        assert "no connection" in first.reason
        assert [
            type(result) for result in await asyncio.gather(*(pool.send(envelope(), CONTENT) for _ in range(9)))
        ] == ([Postponed] * 9)
        closed = await pool.send(envelope(), CONTENT)
        assert isinstance(closed, Postponed)
        assert (closed.seconds, closed.is_away) == (2.0, True)
        assert pool.health()[0].breaker == "open"
        assert pool.health()[0].counts.login_failures < 10


async def test_a_relay_that_has_to_prove_itself_gets_one_message_at_a_time() -> None:
    clock = Clock()
    config = Config(faults={"connect": Fault("421")})
    async with sink_for(config) as (sink, port), pool_of(plain(port), clock=clock, breaker=steady_breaker) as pool:
        for _ in range(2):
            await pool.send(envelope(), CONTENT)
        config.faults.clear()
        assert isinstance(await pool.send(envelope(), CONTENT), Postponed)
        clock.now += 2.0
        probe = asyncio.create_task(pool.send(envelope("slow+1000@x.test"), CONTENT))
        await asyncio.sleep(0.05)
        assert isinstance(await pool.send(envelope(), CONTENT), Postponed)
        assert outcomes_of(await probe)[0].is_accepted
        assert pool.health()[0].breaker == "closed"
        assert all(outcome.is_accepted for outcome in await send_many(pool, 10))
        assert sink.stats.messages == 11


async def test_the_log_says_why_a_relay_fails_at_first_and_when_it_is_left_alone_and_that_it_works_again() -> None:
    clock = Clock()
    config = Config(faults={"connect": Fault("554 5.7.0 go away")})
    async with sink_for(config) as (_, port), pool_of(plain(port), clock=clock, breaker=steady_breaker) as pool:
        with structlog.testing.capture_logs() as logs:
            for _ in range(4):
                await pool.send(envelope(), CONTENT)
            config.faults.clear()
            clock.now += 5.0
            assert (await send_one(pool)).is_accepted
    assert [one["log_level"] for one in logs] == ["warning", "warning", "info"]
    assert [one["event"].split()[2:4] for one in logs] == [["has", "failed"], ["fails", "and"], ["works", "again"]]
    for one in logs[:2]:
        assert one["fault"].startswith("connect: 554")
        assert "go away" in one["fault"]


@pytest.mark.parametrize("stage", ["mail", "dot"])
async def test_a_relay_that_lets_in_and_then_hangs_up_is_left_alone_too(stage: str) -> None:
    config = Config(faults={stage: Fault("421")})
    async with sink_for(config) as (_, port), pool_of(plain(port), breaker=steady_breaker) as pool:
        assert [(await send_one(pool)).code for _ in range(2)] == [421, 421]
        assert isinstance(await pool.send(envelope(), CONTENT), Postponed)


async def test_mail_at_which_a_relay_hangs_up_does_not_speak_against_it_while_others_go_on() -> None:
    async with sink_for() as (_, port), pool_of(plain(port), breaker=steady_breaker) as pool:
        slow = asyncio.create_task(pool.send(envelope("slow+500@x.test"), CONTENT))
        await settle(lambda: pool.health()[0].connections > 0)
        for number in range(6):
            outcome = outcomes_of(await pool.send(envelope(f"drop-at-rcpt@x{number}.test"), CONTENT))[0]
            assert outcome.code is None
        assert pool.health()[0].breaker == "closed"
        assert outcomes_of(await slow)[0].is_accepted


async def test_refused_messages_do_not_speak_against_a_relay() -> None:
    config = Config(faults={"rcpt": Fault("451")})
    async with sink_for(config) as (_, port), pool_of(plain(port), breaker=steady_breaker) as pool:
        assert [outcome.code for outcome in await send_many(pool, 30)] == [451] * 30
        assert pool.health()[0].breaker == "closed"


# waiting


async def test_a_message_that_waits_too_long_for_a_connection_is_postponed() -> None:
    clock = Clock()
    async with sink_for() as (_, port), pool_of(plain(port, connections=1), clock=clock) as pool:
        slow = asyncio.create_task(pool.send(envelope("slow+90000@x.test"), CONTENT))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(pool.send(envelope(), CONTENT))
        await asyncio.sleep(0)
        clock.now += 31.0
        postponed = await waiting
        assert isinstance(postponed, Postponed)
        assert (postponed.held_by, postponed.is_away) == ("relay", False)
        await cancel([slow])


async def test_a_message_behind_a_slow_answer_leaves_for_another_connection() -> None:
    clock = Clock()
    async with sink_for() as (sink, port), pool_of(plain(port, connections=1), clock=clock) as pool:
        await send_one(pool)
        slow = asyncio.create_task(send_one(pool, "slow+1500@x.test"))
        behind = asyncio.create_task(send_one(pool, "quick@x.test"))
        await settle(lambda: pool.health()[0].counts.overlapped == 1)
        clock.now += 3.0
        await settle(lambda: pool.health()[0].waiting == 1)
        assert (await slow).is_accepted
        assert (await behind).is_accepted
        assert (sink.stats.messages, sink.stats.connections) == (3, 2)


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_slow_destination_does_not_take_the_connections_from_the_rest() -> None:
    async with sink_for() as (sink, port), pool_of(plain(port, connections=8)) as pool:
        await send_many(pool, 5, "fast.test")
        slow = [
            asyncio.create_task(pool.send(envelope(f"slow+90000.{number}@slow.test"), CONTENT)) for number in range(40)
        ]
        await asyncio.sleep(0.05)
        assert all(outcome.is_accepted for outcome in await send_many(pool, 200, "fast.test"))
        await settle(lambda: pool.health()[0].slow_destinations == ("slow.test",))
        more = await pool.send(envelope("more@slow.test"), CONTENT)
        assert isinstance(more, Postponed)
        assert more.held_by == "destination"
        assert all(outcome.is_accepted for outcome in await send_many(pool, 200, "fast.test"))
        await cancel(slow)
    assert sink.stats.messages >= 405


async def test_who_waits_behind_a_slow_message_does_not_free_its_connection_for_the_next_slow_one() -> None:
    async with sink_for() as (_, port), pool_of(plain(port, connections=8)) as pool:
        await send_many(pool, 5, "fast.test")
        sent = [
            asyncio.create_task(pool.send(envelope(f"slow+90000.{number}@slow.test"), CONTENT)) for number in range(40)
        ]
        sent += [asyncio.create_task(pool.send(envelope(f"r{number}@fast.test"), CONTENT)) for number in range(200)]
        places = pool._lanes[0]._places._messages
        for _ in range(100):
            assert sum(domain == "slow.test" for _, domain in places) <= 6  # three quarters
            await asyncio.sleep(0.01)
        assert all(outcome.is_accepted for outcome in await send_many(pool, 50, "fast.test"))
        await cancel(sent)
        await settle(lambda: not places)


async def test_destinations_take_turns() -> None:
    async with sink_for() as (_, port), pool_of(plain(port, connections=1)) as pool:
        order: list[str] = []

        async def send(domain: str) -> None:
            assert (await send_one(pool, f"a@{domain}")).is_accepted
            order.append(domain)

        await asyncio.gather(*(send("big.test") for _ in range(20)), send("small.test"))
    assert order.index("small.test") < 5


# the end


async def test_a_pool_that_drains_ends_what_is_under_way_and_takes_nothing_new() -> None:
    async with sink_for() as (sink, port), pool_of(plain(port, connections=2, overlap=False)) as pool:
        tasks = [asyncio.create_task(pool.send(envelope("slow+1000@x.test"), CONTENT)) for _ in range(5)]
        await settle(lambda: pool.health()[0].connections == 2)
        draining = asyncio.create_task(pool.drain(60.0))
        await asyncio.sleep(0)
        assert isinstance(await pool.send(envelope(), CONTENT), Postponed)
        await draining
        kinds = Counter(type(result).__name__ for result in await asyncio.gather(*tasks))
        assert kinds == {"list": 2, "Postponed": 3}
        await settle(lambda: not sink.sessions)
        assert sink.stats.messages == 2


async def test_what_does_not_end_in_time_is_cut_and_its_outcome_is_told() -> None:
    async with sink_for() as (_, port), pool_of(plain(port)) as pool:
        is_sent = asyncio.Event()

        async def tell() -> bool:
            is_sent.set()
            return True

        task = asyncio.create_task(pool.send(envelope("slow+90000@x.test"), CONTENT, tell))
        await asyncio.wait_for(is_sent.wait(), 60)
        await pool.drain(0.1)
        outcome = outcomes_of(await asyncio.wait_for(task, 20))[0]
        assert outcome.answer_lost


async def test_health_tells_what_a_relay_does() -> None:
    async with sink_for() as (_, port), pool_of(plain(port)) as pool:
        for name in ("a", "bounce+550", "defer+451", "drop-after-dot"):
            await pool.send(envelope(f"{name}@x.test"), CONTENT)
        health = pool.health()[0]
    assert (health.relay, health.breaker, health.waiting) == (f"127.0.0.1:{port}", "closed", 0)
    counts = health.counts
    assert (counts.accepted, counts.refused, counts.deferred, counts.answers_lost) == (1, 1, 1, 1)
    assert counts.logins >= 1
    assert health.median_seconds is not None
    assert (health.last_reply or "").startswith("dot:")


async def test_health_tells_since_when_a_relay_is_left_alone_and_trusted_again() -> None:
    clock, seen = Clock(), []
    config = Config(faults={"connect": Fault("421")})
    async with sink_for(config) as (_, port), pool_of(plain(port), clock=clock, breaker=steady_breaker) as pool:
        clock.now += 5.0
        seen.append(pool.health()[0])
        for _ in range(2):
            await pool.send(envelope(), CONTENT)
        for _ in range(2):
            clock.now += 1.5
            seen.append(pool.health()[0])
        config.faults.clear()
        assert (await send_one(pool)).is_accepted
        clock.now += 4.0
        seen.append(pool.health()[0])
    told = [(one.breaker, one.state_seconds) for one in seen]
    assert told == [("closed", 5.0), ("open", 1.5), ("half-open", 3.0), ("closed", 4.0)]


async def test_check_tells_of_each_relay_whether_it_can_be_used(unused_tcp_port: int) -> None:
    async with sink_for() as (sink, port), pool_of(plain(port), plain(unused_tcp_port)) as pool:
        good, bad = await pool.check()
        assert (good.is_ok, good.stage) == (True, None)
        assert (bad.is_ok, bad.stage) == (False, Stage.CONNECT)
        await settle(lambda: not sink.sessions)


async def test_a_relay_that_says_nothing_is_named_when_it_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_CHECK_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with pool_of(plain(silent.getsockname()[1])) as pool:
            (check,) = await pool.check()
    assert (check.is_ok, check.stage, check.text.startswith("no answer")) == (False, None, True)


def test_a_pool_needs_a_relay() -> None:
    with pytest.raises(ValueError, match="no relay"):
        RelayPool([], hostname="client.test")


async def test_a_relay_that_needs_200_ms_a_message_is_used_over_as_many_connections_as_it_takes() -> None:
    config = Config(delay_per_message=0.2)
    async with sink_for(config) as (sink, port), pool_of(plain(port, connections=300)) as pool:
        await send_many(pool, 300)
        assert all(outcome.is_accepted for outcome in await send_many(pool, 900))
        assert sink.stats.connections > 200  # three rounds of 0.2 s; the usual 20 would take nine seconds


async def test_what_one_relay_finds_slow_goes_through_the_other() -> None:
    """Each relay has a pace of its own for every destination: a slow relay speaks against no fast one."""
    config = Config(delay_per_message=60.0)
    async with (
        sink_for(config) as (_, first),
        sink_for() as (fast, port),
        pool_of(plain(first, connections=4), plain(port, connections=4), timeouts=impatient("dot")) as pool,
    ):
        slow, other = pool._lanes
        for lane in pool._lanes:
            lane._destinations.pace("quick.test").ended(lane._around.clock(), 0.01)
        slow._destinations.pace("far.test").ended(slow._around.clock(), 30.0)
        slow.review(slow._around.clock())
        sent = [asyncio.create_task(pool.send(envelope(f"r{n}@far.test"), CONTENT)) for n in range(200)]
        await settle(lambda: fast.stats.messages >= 190)
        assert ("far.test" in slow._destinations.slow, other._destinations.slow) == (True, frozenset())
        await cancel(sent)


async def test_a_relay_that_refuses_our_log_in_is_left_alone_for_minutes_and_that_is_said_once() -> None:
    clock, config = Clock(), Config("user", "right")
    async with sink_for(config) as (_, port):
        login = {"username": "user", "password": "wrong"}
        async with pool_of(plain(port, **login), clock=clock) as pool:
            with structlog.testing.capture_logs() as said:
                for _ in range(60):
                    answer = await pool.send(envelope(), CONTENT)
                    assert isinstance(answer, Postponed)
                    clock.now += 60.0
            health = pool.health()[0]
            assert health.refuses_login
            assert health.counts.login_failures <= 25  # in an hour; at first it may be a matter of seconds
            assert [one["event"] for one in said if one["log_level"] == "error"] == [LOGIN_REFUSED]
            assert "535" in next(one["fault"] for one in said if one["log_level"] == "error")
            config.password, clock.now = "wrong", clock.now + 600.0
            with structlog.testing.capture_logs() as said:
                assert (await send_one(pool)).is_accepted
            assert [one["event"] for one in said] == ["a relay works again"]
            assert not pool.health()[0].refuses_login
