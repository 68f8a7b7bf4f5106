"""One message at one relay: every fault at every stage comes out as what it is, for each recipient."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from bench.proxy import Proxy
from bench.sink import Sink
from bench.sink_state import Config, Fault
from hourpost.gateways.relays import ContentNotCanonical, Envelope, Outcome, Postponed, RelayPool, Stage
from tests.gateways.relay_partners import CONTENT, envelope, impatient, outcomes_of, plain, pool_of, send_one, sink_for

FAULTS: list[tuple[str, str, Stage, int | None, bool]] = [
    ("mail", "451", Stage.MAIL, 451, False),
    ("mail", "550", Stage.MAIL, 550, False),
    ("mail", "421", Stage.MAIL, 421, False),
    ("mail", "drop", Stage.MAIL, None, False),
    ("mail", "garbage", Stage.MAIL, None, False),
    ("rcpt", "451", Stage.RCPT, 451, False),
    ("rcpt", "550", Stage.RCPT, 550, False),
    ("rcpt", "421", Stage.RCPT, 421, False),
    ("rcpt", "drop", Stage.RCPT, None, False),
    ("data", "451", Stage.DATA, 451, False),
    ("data", "554", Stage.DATA, 554, False),
    ("data", "421", Stage.DATA, 421, False),
    ("data", "drop", Stage.DATA, None, False),
    ("body", "drop", Stage.DOT, None, True),
    ("dot", "451", Stage.DOT, 451, False),
    ("dot", "554", Stage.DOT, 554, False),
    ("dot", "421", Stage.DOT, 421, False),
    ("dot", "drop", Stage.DOT, None, True),
    ("dot", "garbage", Stage.DOT, None, True),
    ("dot", "lost", Stage.DOT, None, True),
]
SILENCES = [
    (stage, pipelining) for stage in (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT) for pipelining in (True, False)
]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("stage", "action", "expected", "code", "answer_lost"), FAULTS)
async def test_every_fault_at_every_stage_has_its_outcome(
    stage: str, action: str, expected: Stage, code: int | None, answer_lost: bool, pipelining: bool
) -> None:
    config = Config(pipelining=pipelining, faults={stage: Fault(action)})
    async with sink_for(config) as (sink, port), pool_of(plain(port)) as pool:
        outcome = await send_one(pool)
        assert (outcome.stage, outcome.code, outcome.answer_lost) == (expected, code, answer_lost)
        assert outcome.is_surely_not_taken is not answer_lost
        assert not outcome.is_accepted
        assert sink.stats.messages == (1 if action == "lost" else 0)


async def test_silence_at_any_stage_is_given_up_and_told_as_what_it_is() -> None:
    await asyncio.gather(*(_send_into_silence(stage, pipelining) for stage, pipelining in SILENCES))


async def _send_into_silence(stage: Stage, pipelining: bool) -> None:
    config = Config(pipelining=pipelining, faults={str(stage): Fault("hang")})
    async with sink_for(config) as (sink, port), pool_of(plain(port), timeouts=impatient("mail", str(stage))) as pool:
        outcome = await send_one(pool)
        assert (outcome.stage, outcome.code, outcome.answer_lost) == (stage, None, stage is Stage.DOT)
        assert outcome.is_surely_not_taken is (stage is not Stage.DOT)
        assert sink.stats.messages == 0


@pytest.mark.parametrize(
    ("local_part", "stage", "code", "answer_lost"),
    [
        ("bounce+550", Stage.RCPT, 550, False),
        ("defer+451", Stage.RCPT, 451, False),
        ("dot+552.17", Stage.DOT, 552, False),
        ("drop-after-dot", Stage.DOT, None, True),
        ("drop-before-answer", Stage.DOT, None, True),
        ("slow+100", Stage.DOT, 250, False),
    ],
)
async def test_a_recipient_can_ask_for_its_fault(
    local_part: str, stage: Stage, code: int | None, answer_lost: bool
) -> None:
    async with sink_for() as (_, port), pool_of(plain(port)) as pool:
        outcome = await send_one(pool, f"{local_part}@example.net")
        assert (outcome.stage, outcome.code, outcome.answer_lost) == (stage, code, answer_lost)


async def test_each_recipient_has_an_outcome_of_its_own(tmp_path: Path) -> None:
    names = ("a@one.test", "bounce+550@one.test", "b@two.test", "defer+451@two.test")
    journal = tmp_path / "journal"
    async with sink_for(journal=str(journal)) as (_, port), pool_of(plain(port)) as pool:
        result = outcomes_of(await pool.send(envelope(*names), CONTENT))
    assert [(outcome.recipient, outcome.code) for outcome in result] == [
        ("a@one.test", 250),
        ("bounce+550@one.test", 550),
        ("b@two.test", 250),
        ("defer+451@two.test", 451),
    ]
    digest = hashlib.sha256(CONTENT.partition(b"\r\n\r\n")[2]).hexdigest()
    assert journal.read_text().splitlines() == [
        f"<1@acme.test>\t{name}\t{digest}" for name in ("a@one.test", "b@two.test")
    ]


async def test_an_outcome_tells_the_relay_the_words_and_the_time() -> None:
    async with sink_for() as (_, port), pool_of(plain(port), clock=iter(range(1_000)).__next__) as pool:
        outcome = await send_one(pool)
    assert (outcome.relay, outcome.enhanced, outcome.text) == (f"127.0.0.1:{port}", "2.0.0", "taken")
    assert outcome.seconds > 0
    assert outcome.tls_version is None


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("size", [10, 300_000, 3_000_000])
async def test_content_in_chunks_arrives_whole(tmp_path: Path, size: int, pipelining: bool) -> None:
    body = (b".stuffed line of a large body\r\n" * (size // 31 + 1))[:size].rstrip(b"\r\n") + b"\r\n"
    content = b"Message-ID: <big@acme.test>\r\n\r\n" + body
    chunks = [content[start : start + 100_001] for start in range(0, len(content), 100_001)]
    journal = tmp_path / "journal"
    async with sink_for(Config(pipelining=pipelining), str(journal)) as (_, port), pool_of(plain(port)) as pool:
        assert outcomes_of(await pool.send(envelope(), chunks))[0].is_accepted
    assert journal.read_text().endswith(f"\t{hashlib.sha256(body).hexdigest()}\n")


# before the final dot


async def answers(value: bool) -> bool:
    await asyncio.sleep(0.01)
    return value


@pytest.mark.parametrize("size", [100, 400_000])
async def test_where_the_caller_says_no_the_dot_is_never_sent(size: int) -> None:
    async with sink_for() as (sink, port), pool_of(plain(port)) as pool:
        outcome = await send_one(pool, content=b"a" * size + b"\r\n", before_dot=lambda: answers(False))
        assert (outcome.stage, outcome.withdrawn, outcome.is_surely_not_taken) == (Stage.BODY, True, True)
        await asyncio.sleep(0.05)
        assert sink.stats.messages == 0
        assert (await send_one(pool, before_dot=lambda: answers(True))).is_accepted


async def test_where_the_callers_word_fails_the_dot_is_never_sent() -> None:
    async def fails() -> bool:
        raise ConnectionResetError("the database is away")

    async with sink_for() as (sink, port), pool_of(plain(port)) as pool:
        with pytest.raises(ConnectionResetError, match="database"):
            await pool.send(envelope(), CONTENT, fails)
        await asyncio.sleep(0.05)
        assert sink.stats.messages == 0
        assert (await send_one(pool)).is_accepted


async def test_the_dot_is_not_sent_before_the_caller_has_said_yes() -> None:
    async with sink_for() as (sink, port), pool_of(plain(port)) as pool:
        said = asyncio.Event()

        async def waits() -> bool:
            await said.wait()
            return True

        sending = asyncio.create_task(send_one(pool, content=b"a" * 400_000 + b"\r\n", before_dot=waits))
        await asyncio.sleep(0.1)
        assert sink.stats.messages == 0
        said.set()
        assert (await sending).is_accepted


async def test_a_caller_that_is_cancelled_leaves_nothing_behind() -> None:
    async with sink_for() as (sink, port), pool_of(plain(port, connections=1)) as pool:
        sending = asyncio.create_task(send_one(pool, before_dot=lambda: asyncio.sleep(9, True)))
        await asyncio.sleep(0.1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert (await send_one(pool)).is_accepted
        assert sink.stats.messages == 1


# what a relay cannot take


@pytest.mark.parametrize(
    ("config", "sent", "content", "enhanced"),
    [
        (Config(size=50), envelope(), CONTENT, "5.3.4"),
        (Config(extensions=()), envelope(), b"a\xe4\r\n", "5.6.3"),
        (Config(extensions=("8BITMIME",)), envelope("j\xf6rg@example.net"), CONTENT, "5.6.7"),
        (Config(extensions=()), Envelope("a@b.test", ("c@d.test",), smtputf8=True), CONTENT, "5.6.7"),
    ],
)
async def test_what_a_relay_does_not_offer_is_refused_without_asking_it(
    config: Config, sent: Envelope, content: bytes, enhanced: str
) -> None:
    async with sink_for(config) as (sink, port), pool_of(plain(port)) as pool:
        for _ in range(2):
            outcome = outcomes_of(await pool.send(sent, content))[0]
            assert (outcome.stage, outcome.enhanced, outcome.is_local) == (Stage.MAIL, enhanced, True)
            assert outcome.code is not None
            assert outcome.code >= 500
        assert (sink.stats.refused, sink.stats.connections) == (0, 1)
        assert (await send_one(pool, content=b"a\r\n")).is_accepted


async def test_many_that_a_relay_cannot_take_do_not_hold_up_the_others() -> None:
    async with sink_for(Config(size=50)) as (_, port), pool_of(plain(port, connections=1)) as pool:
        sent = [pool.send(envelope(), CONTENT if number % 50 else b"a\r\n") for number in range(1_500)]
        codes = [outcomes_of(result)[0].code for result in await asyncio.gather(*sent)]
    assert codes == [552 if number % 50 else 250 for number in range(1_500)]


async def test_another_relay_is_asked_where_one_is_too_small() -> None:
    async with sink_for(Config(size=50)) as (_, small), sink_for() as (large, port):
        async with pool_of(plain(small, weight=100), plain(port)) as pool:
            assert (await send_one(pool)).is_accepted
        assert large.stats.messages == 1


async def test_what_one_relay_is_too_small_for_waits_while_a_larger_one_is_away(unused_tcp_port: int) -> None:
    async with (
        sink_for(Config(size=50)) as (_, small),
        pool_of(plain(small, weight=100), plain(unused_tcp_port)) as pool,
    ):
        for _ in range(10):
            result = await pool.send(envelope(), CONTENT)
            assert isinstance(result, Postponed)
        assert "no connection" in result.reason
        assert (await send_one(pool, content=b"a\r\n")).is_accepted


async def test_a_relay_that_is_too_small_does_not_make_final_what_another_put_off() -> None:
    names = ("bounce+421@x.test", "c@x.test")
    async with (
        sink_for() as (_, large),
        sink_for(Config(size=50)) as (_, small),
        pool_of(plain(large, weight=100), plain(small)) as pool,
    ):
        result = outcomes_of(await pool.send(envelope(*names), CONTENT))
    assert [outcome.code for outcome in result] == [421, 421]


async def test_an_address_that_needs_utf8_keeps_no_other_recipient_from_its_mail() -> None:
    names = ("a@x.test", "j\xf6rg@x.test", "bounce+550@x.test", "c@x.test")
    async with sink_for(Config(extensions=("8BITMIME",))) as (sink, port), pool_of(plain(port)) as pool:
        result = outcomes_of(await pool.send(envelope(*names), CONTENT))
        assert [(outcome.recipient, outcome.code) for outcome in result] == list(
            zip(names, (250, 550, 550, 250), strict=True)
        )
        assert sink.stats.messages == 1


async def test_an_address_that_waits_for_a_relay_with_utf8_waits_alone(unused_tcp_port: int) -> None:
    names = ("a@x.test", "j\xf6rg@x.test")
    async with (
        sink_for(Config(extensions=("8BITMIME",))) as (sink, port),
        pool_of(plain(port, weight=100), plain(unused_tcp_port)) as pool,
    ):
        result = outcomes_of(await pool.send(envelope(*names), CONTENT))
        assert [(outcome.recipient, outcome.code) for outcome in result] == [(names[0], 250), (names[1], None)]
        assert not result[1].answer_lost
        assert sink.stats.messages == 1


async def test_utf8_addresses_go_where_they_are_taken() -> None:
    async with sink_for() as (_, port), pool_of(plain(port)) as pool:
        assert (await send_one(pool, "j\xf6rg@example.net", content=b"a\xc3\xa4\r\n")).is_accepted


@pytest.mark.parametrize("address", ["a@b.test>\r\nRCPT TO:<evil@x.test", "a\n@b.test", "a\0@b.test"])
def test_an_address_that_breaks_out_of_its_command_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        Envelope("a@b.test", (address,))
    with pytest.raises(ValueError, match="control character"):
        Envelope(address, ("a@b.test",))


async def test_content_that_could_smuggle_never_reaches_a_relay() -> None:
    async with sink_for() as (sink, port), pool_of(plain(port)) as pool:
        with pytest.raises(ContentNotCanonical):
            await pool.send(envelope(), b"a\n.\nMAIL FROM:<x@y>\r\n")
        assert sink.stats.connections == 0


# one behind the other


async def send_many(pool: RelayPool, count: int, **options: Any) -> list[Outcome]:
    results: list[list[Outcome] | Postponed] = await asyncio.gather(
        *(pool.send(envelope(f"r{number}@example.net"), CONTENT, **options) for number in range(count))
    )
    return [outcomes_of(result)[0] for result in results]


@pytest.mark.parametrize("overlap", [True, False])
async def test_a_busy_connection_takes_one_message_after_the_other(overlap: bool) -> None:
    async with sink_for() as (sink, port), pool_of(plain(port, connections=1, overlap=overlap)) as pool:
        assert all(outcome.is_accepted for outcome in await send_many(pool, 50))
        assert (sink.stats.messages, sink.stats.connections) == (50, 1)
        assert (pool.health()[0].counts.overlapped > 40) is overlap


async def test_faults_among_overlapping_messages_meet_only_their_own() -> None:
    names = [f"{word}@x.test" for word in ("a", "bounce+550", "dot+554", "b", "defer+451", "drop-after-dot", "c") * 20]
    async with sink_for() as (sink, port), pool_of(plain(port, connections=2)) as pool:
        results = await asyncio.gather(*(pool.send(envelope(name), CONTENT) for name in names))
        got = [outcomes_of(result)[0] for result in results]
    expected = {
        "a": 250,
        "b": 250,
        "c": 250,
        "bounce+550": 550,
        "dot+554": 554,
        "defer+451": 451,
        "drop-after-dot": None,
    }
    assert [outcome.code for outcome in got] == [expected[name.partition("@")[0]] for name in names]
    assert sum(outcome.answer_lost for outcome in got) == 20
    assert sink.stats.messages == 80


async def test_a_relay_that_closes_after_every_few_messages_loses_none() -> None:
    async with sink_for(Config(closes_after=3)) as (sink, port), pool_of(plain(port, connections=2)) as pool:
        assert all(outcome.is_accepted for outcome in await send_many(pool, 60))
        assert sink.stats.messages == 60
        assert pool.health()[0].breaker == "closed"


async def test_a_relay_that_takes_one_message_a_connection_is_soon_served_so() -> None:
    async with sink_for(Config(closes_after=1)) as (sink, port), pool_of(plain(port, connections=2)) as pool:
        assert all(outcome.is_accepted for outcome in await send_many(pool, 30))
        assert sink.stats.messages == 30
        assert pool.health()[0].counts.overlapped <= 5


async def test_a_cancelled_message_does_not_harm_the_one_it_waits_behind() -> None:
    async with sink_for() as (sink, port), pool_of(plain(port, connections=1)) as pool:
        first = asyncio.create_task(send_one(pool, "slow+1000@x.test"))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(send_one(pool, "second@x.test"))
        await asyncio.sleep(0.1)
        second.cancel()
        assert (await first).is_accepted
        assert (await send_one(pool, "third@x.test")).is_accepted
        assert sink.stats.messages == 2


# a bad network


@pytest.fixture
async def weathered() -> Any:
    """A sink behind a proxy: the sink, the proxy, the proxy's port."""
    async with sink_for() as (sink, port):
        proxy = Proxy("127.0.0.1", port)
        yield sink, proxy, await proxy.start()
        await proxy.stop()


async def test_a_network_that_swallows_everything_is_given_up_in_time(weathered: tuple[Sink, Proxy, int]) -> None:
    sink, proxy, port = weathered
    async with pool_of(plain(port), timeouts=impatient("reused", "banner")) as pool:
        assert (await send_one(pool)).is_accepted
        proxy.weather.is_swallowing = True
        assert isinstance(await pool.send(envelope(), CONTENT), Postponed)
    assert sink.stats.messages == 1


async def test_a_large_body_that_the_relay_does_not_read_is_given_up_in_time(
    weathered: tuple[Sink, Proxy, int],
) -> None:
    _, proxy, port = weathered
    async with pool_of(plain(port), timeouts=impatient("body")) as pool:
        proxy.weather.trickle_bytes_per_second = 4_000
        outcome = await send_one(pool, content=b"a" * 20_000_000 + b"\r\n")
        assert (outcome.stage, outcome.is_surely_not_taken) == (Stage.BODY, True)
        assert "took no data" in outcome.text


async def test_a_cut_in_the_body_is_surely_not_taken(weathered: tuple[Sink, Proxy, int]) -> None:
    sink, proxy, port = weathered
    proxy.weather.cut_after_bytes = 500_000
    async with pool_of(plain(port)) as pool:
        outcome = await send_one(pool, content=b"a" * 9_000_000 + b"\r\n")
        assert (outcome.stage, outcome.is_surely_not_taken) == (Stage.BODY, True)
    assert sink.stats.messages == 0


async def test_a_slow_network_is_only_slow(weathered: tuple[Sink, Proxy, int]) -> None:
    sink, proxy, port = weathered
    proxy.weather.delay_seconds = 0.02
    async with pool_of(plain(port, connections=4)) as pool:
        assert all(outcome.is_accepted for outcome in await send_many(pool, 20))
    assert sink.stats.messages == 20
