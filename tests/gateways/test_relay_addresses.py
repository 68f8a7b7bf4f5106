"""A relay with several addresses: one that is dead, slow or refuses us does not keep us from the others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.sink import Sink
from bench.sink_state import Config, Fault
from hourpost.gateways.relays import RelayCheck, RelaySpec, Stage, TlsMode
from tests.fakes.scripted_relay import ScriptedRelay
from tests.fixtures.certificates import self_signed
from tests.fixtures.ports import free_port
from tests.gateways.relay_partners import CONTENT, envelope, impatient, pool_of, send_one

FIRST, SECOND, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"
NAME = "relay.two.test"

Resolve = Callable[..., None]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Has the name resolve to these addresses, in this order."""

    def to(*addresses: str) -> None:
        async def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
            assert host.removesuffix(".") == NAME
            return [info for address in addresses for info in socket.getaddrinfo(address, port, type=1)]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)

    return to


@contextmanager
def swallowing(address: str, port: int) -> Iterator[None]:
    """A socket with a full backlog: what comes for it is dropped without a word."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((address, port))
        yield


@asynccontextmanager
async def sink_at(address: str, port: int = 0, config: Config | None = None) -> AsyncIterator[tuple[Sink, int]]:
    sink = Sink(config or Config())
    port = await sink.start(address, port or free_port())
    try:
        yield sink, port
    finally:
        await sink.stop()


@asynccontextmanager
async def saying(lines: list[str], address: str, port: int) -> AsyncIterator[ScriptedRelay]:
    relay = ScriptedRelay(lines)
    await relay.start(address, port)
    try:
        yield relay
    finally:
        await relay.stop()


def named(port: int, tls: TlsMode = TlsMode.NONE, ca: Path | None = None) -> RelaySpec:
    return RelaySpec(NAME, port, tls, ca=ca)


@pytest.mark.parametrize("stage", ["ehlo", "starttls", "auth"])
async def test_an_address_that_greets_and_then_fails_comes_after_the_others(
    resolve: Resolve, tmp_path: Path, stage: str
) -> None:
    certificate = self_signed(tmp_path, NAME)
    resolve(FIRST, SECOND)
    sick = Config("u", "p", tls=certificate.server_context(), faults={stage: Fault("454 4.7.0 not now")})
    good = Config("u", "p", tls=certificate.server_context())
    async with sink_at(FIRST, config=sick) as (_, port), sink_at(SECOND, port, good) as (second, _):
        spec = replace(named(port, TlsMode.STARTTLS, certificate.cert), username="u", password="p")
        async with pool_of(spec) as pool:
            sent = [await pool.send(envelope(), CONTENT) for _ in range(3)]
        assert isinstance(sent[-1], list), sent
        assert sent[-1][0].is_accepted
        assert second.stats.messages >= 1


async def test_mail_leaves_through_the_second_address_where_the_first_swallows_it(resolve: Resolve) -> None:
    async with sink_at(SECOND) as (sink, port):
        resolve(FIRST, SECOND)
        with swallowing(FIRST, port):
            async with pool_of(named(port), timeouts=impatient("connect")) as pool:
                assert (await send_one(pool)).is_accepted
    assert sink.stats.messages == 1


@pytest.mark.parametrize(
    "lines",
    [
        ["S: 421 4.3.2 closing", "S: [close]"],
        ["S: 554 5.3.2 no mail here", "S: [close]"],
        ["S: [close]"],
        ["S: [reset]"],
        ["S: SSH-2.0-OpenSSH"],
    ],
)
async def test_mail_leaves_through_the_second_address_where_the_first_turns_us_away(
    resolve: Resolve, lines: list[str]
) -> None:
    async with sink_at(SECOND) as (_, port), saying(lines, FIRST, port) as relay:
        resolve(FIRST, SECOND)
        async with pool_of(named(port)) as pool:
            assert (await send_one(pool)).is_accepted
            assert pool.health()[0].counts.login_failures == 0
        assert relay.connections == 1


async def test_an_address_that_connects_and_says_nothing_is_not_waited_for(resolve: Resolve) -> None:
    async with sink_at(SECOND) as (_, port), saying(["S: [silence]"], FIRST, port):
        resolve(FIRST, SECOND)
        async with pool_of(named(port)) as pool:
            assert (await pool.check())[0].is_ok


async def test_an_address_that_greets_slowly_is_waited_for_without_calling_another(resolve: Resolve) -> None:
    hesitant = ["S: [pause]", "S: 220 at last", "C: EHLO *", "S: 250 ok", "C: QUIT"]
    async with sink_at(SECOND) as (sink, port), saying(hesitant, FIRST, port):
        resolve(FIRST, SECOND)
        async with pool_of(named(port)) as pool:
            assert (await pool.check())[0].is_ok
    assert sink.stats.connections == 0


async def test_an_address_that_failed_is_called_last_from_then_on(resolve: Resolve) -> None:
    async with sink_at(SECOND) as (sink, port), saying(["S: 421 no", "S: [close]"], FIRST, port) as relay:
        resolve(FIRST, SECOND)
        async with pool_of(named(port)) as pool:
            for _ in range(3):
                assert (await pool.check())[0].is_ok
    assert (relay.connections, sink.stats.connections) == (1, 3)


async def test_the_families_are_called_in_turn(resolve: Resolve) -> None:
    if not _has_ipv6():
        pytest.skip("no IPv6 on loopback")
    closes = ["S: [close]"]
    async with (
        sink_at("::1") as (sink, port),
        saying(closes, FIRST, port) as one,
        saying(closes, SECOND, port) as two,
    ):
        resolve(FIRST, SECOND, "::1")
        assert (await check(named(port))).is_ok
    assert (one.connections, sink.stats.connections, two.connections) == (1, 1, 0)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("tls", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
async def test_the_certificate_is_the_names_whatever_the_address(
    resolve: Resolve, tmp_path: Path, tls: TlsMode, unused_tcp_port: int
) -> None:
    right, wrong = self_signed(tmp_path, NAME), self_signed(tmp_path, SECOND)
    for certificate, is_ok in ((right, True), (wrong, False)):
        config = Config(tls=certificate.server_context(), implicit_tls=tls is TlsMode.IMPLICIT)
        async with saying(["S: [close]"], FIRST, unused_tcp_port), sink_at(SECOND, unused_tcp_port, config):
            resolve(FIRST, SECOND)
            answer = await check(named(unused_tcp_port, tls, certificate.cert))
            assert (answer.is_ok, answer.stage) == (is_ok, None if is_ok else Stage.TLS)


async def test_a_name_may_end_in_a_dot(resolve: Resolve, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, NAME)
    async with sink_at(SECOND, config=Config(tls=certificate.server_context())) as (_, port):
        resolve(SECOND)
        spec = replace(named(port, TlsMode.STARTTLS, certificate.cert), host=f"{NAME}.")
        assert (await check(spec)).is_ok


async def check(spec: RelaySpec) -> RelayCheck:
    async with pool_of(spec, timeouts=impatient("connect")) as pool:
        return (await pool.check())[0]


async def test_where_all_addresses_fail_the_words_of_one_that_spoke_are_told(resolve: Resolve) -> None:
    config = Config(faults={"connect": Fault("421")})
    async with sink_at(SECOND, config=config) as (_, port), saying(["S: [close]"], THIRD, port):
        resolve(FIRST, SECOND, THIRD)  # nobody listens at the first
        answer = await check(named(port))
    assert (answer.is_ok, answer.stage, answer.code) == (False, Stage.CONNECT, 421)


async def test_where_all_addresses_swallow_it_is_given_up_in_time(resolve: Resolve) -> None:
    async with sink_at(THIRD) as (_, port):
        resolve(FIRST, SECOND)
        with swallowing(FIRST, port), swallowing(SECOND, port):
            async with pool_of(named(port), timeouts=replace(impatient(), connect=1.0)) as pool:
                answer = (await pool.check())[0]
    assert answer.text == "no connection within 1 s"
    assert answer.seconds < 5
