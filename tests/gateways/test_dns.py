"""The resolver against a real name server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hourpost.gateways.dns import DnsUnavailable, ResolverDns
from tests.fakes.dns_server import DnsServer, run_dns_server


@pytest_asyncio.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with run_dns_server() as running:
        yield running


def make_dns(server: DnsServer, lifetime_seconds: float = 20) -> ResolverDns:
    return ResolverDns(server.address, timeout_seconds=lifetime_seconds / 2, lifetime_seconds=lifetime_seconds)


async def test_long_records_come_back_in_one_piece(server: DnsServer) -> None:
    server.publish("acme.com", "v=DKIM1; p=" + "x" * 500, "short")
    assert set(await make_dns(server).find_txt("acme.com")) == {"v=DKIM1; p=" + "x" * 500, "short"}


async def test_a_name_without_records_has_none(server: DnsServer) -> None:
    server.publish("empty.com")
    assert await make_dns(server).find_txt("empty.com") == ()
    assert await make_dns(server).find_txt("missing.com") == ()


async def test_a_name_is_asked_for_as_it_is(server: DnsServer) -> None:
    await make_dns(server).find_txt("_hourpost.acme")
    assert server.questions == ["_hourpost.acme"]


async def test_a_server_that_fails_or_keeps_silent_says_nothing_about_the_name(server: DnsServer) -> None:
    server.broken.add("broken.com")
    server.silent.add("silent.com")
    for name in ("broken.com", "silent.com"):
        with pytest.raises(DnsUnavailable) as caught:
            await make_dns(server, lifetime_seconds=0.5).find_txt(name)
        assert not caught.value.permanent


async def test_a_second_server_answers_for_the_first(server: DnsServer) -> None:
    server.publish("acme.com", "here")
    dns = ResolverDns(f"127.0.0.1:1 {server.address}", timeout_seconds=1, lifetime_seconds=30)
    assert await dns.find_txt("acme.com") == ("here",)


@pytest.mark.parametrize("servers", ["", "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53", "2001:db8::1"])
def test_servers_are_written_in_every_usual_way(servers: str) -> None:
    ResolverDns(servers)


@pytest.mark.parametrize("servers", ["name.example", "192.0.2.1:x", "[:", ":53"])
def test_what_is_no_server_is_refused_at_the_start(servers: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever the parser says
        ResolverDns(servers)
