"""Calls to customers' addresses, against a real server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address

import pytest
import pytest_asyncio

from hourpost.gateways.outgoing import KEPT_BYTES, HttpOutgoing, Unreachable
from hourpost.rules.reachable import LOOPBACK, Address
from tests.fakes.endpoint import Endpoint, run_endpoint


class Names:
    """Resolves as a test says, and counts."""

    def __init__(self, *addresses: str) -> None:
        self.addresses: list[Address] = [ip_address(text) for text in addresses]
        self.asked: list[str] = []

    async def __call__(self, name: str) -> Sequence[Address]:
        self.asked.append(name)
        return self.addresses


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with run_endpoint() as running:
        yield running


@pytest_asyncio.fixture
async def near() -> AsyncIterator[HttpOutgoing]:
    """Calls that may stay on this machine."""
    outgoing = HttpOutgoing(Names("127.0.0.1"), LOOPBACK)
    yield outgoing
    await outgoing.close()


async def post(outgoing: HttpOutgoing, url: str, body: bytes = b"{}") -> tuple[int, str]:
    answer = await outgoing.post(url, {"content-type": "application/json"}, body)
    return answer.status, answer.text


async def test_an_answer_comes_back_whatever_it_is(near: HttpOutgoing, endpoint: Endpoint) -> None:
    assert await post(near, endpoint.url) == (200, "ok")
    endpoint.fail(503, body=b"later")
    assert await post(near, endpoint.url, b'{"a": 1}') == (503, "later")
    assert (endpoint.received[1].path, endpoint.received[1].body) == ("/hooks", b'{"a": 1}')


async def test_a_redirect_is_not_followed(near: HttpOutgoing, endpoint: Endpoint) -> None:
    endpoint.fail(302, headers=f"Location: {endpoint.url}/other\r\n")
    assert (await post(near, endpoint.url))[0] == 302
    assert len(endpoint.received) == 1


async def test_only_the_beginning_of_an_answer_is_kept(near: HttpOutgoing, endpoint: Endpoint) -> None:
    endpoint.fail(200, body=b"a\0" * 100_000)
    status, text = await post(near, endpoint.url)
    assert (status, text) == (200, "a" * (KEPT_BYTES // 2))


async def test_connections_are_used_again(near: HttpOutgoing, endpoint: Endpoint) -> None:
    for _ in range(3):
        await post(near, endpoint.url)
    assert endpoint.connections == 1


async def test_a_connection_that_the_other_end_has_closed_is_opened_again(
    near: HttpOutgoing, endpoint: Endpoint
) -> None:
    await post(near, endpoint.url)
    endpoint.hang_up()
    assert await post(near, endpoint.url) == (200, "ok")
    assert endpoint.connections == 2


async def test_a_name_is_resolved_once_and_the_call_goes_to_what_was_checked(endpoint: Endpoint) -> None:
    names = Names("127.0.0.1")
    outgoing = HttpOutgoing(names, LOOPBACK)
    assert await post(outgoing, f"http://acme.example:{endpoint.port}/x") == (200, "ok")
    await outgoing.close()
    assert names.asked == ["acme.example"]
    assert endpoint.received[0].headers["host"] == f"acme.example:{endpoint.port}"


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("http://127.0.0.1:{port}/", []),
        ("http://[::1]:{port}/", []),
        ("http://[::ffff:127.0.0.1]:{port}/", []),
        ("http://0.0.0.0:{port}/", []),
        ("http://acme.example:{port}/", ["127.0.0.1"]),
        ("http://acme.example:{port}/", ["1.1.1.1", "127.0.0.1"]),
        ("http://acme.example:{port}/", ["64:ff9b::7f00:1"]),
        ("http://acme.example/", ["169.254.169.254"]),
        ("http://acme.example:25/", ["1.1.1.1"]),
        ("http://2130706433:{port}/", []),
        ("http://0x7f.1:{port}/", []),
        ("gopher://acme.example/", ["1.1.1.1"]),
        ("http:///", []),
        ("nonsense", []),
    ],
)
async def test_nothing_of_ours_is_reached(endpoint: Endpoint, url: str, addresses: list[str]) -> None:
    outgoing = HttpOutgoing(Names(*addresses), timeout_seconds=2)
    with pytest.raises(Unreachable):
        await post(outgoing, url.format(port=endpoint.port))
    await outgoing.close()
    assert endpoint.connections == 0


async def test_a_server_that_keeps_silent_is_given_up(endpoint: Endpoint) -> None:
    endpoint.gate.clear()
    outgoing = HttpOutgoing(Names("127.0.0.1"), LOOPBACK, timeout_seconds=0.5)
    with pytest.raises(Unreachable, match=r"within 0.5 seconds"):
        await post(outgoing, endpoint.url)
    await outgoing.close()


async def test_what_is_no_http_is_said_to_be_none(near: HttpOutgoing, endpoint: Endpoint) -> None:
    endpoint.answer = b"220 mail.example ESMTP\r\n\r\n"
    with pytest.raises(Unreachable, match="not HTTP"):
        await post(near, endpoint.url)


async def test_nobody_there_is_said_in_words(near: HttpOutgoing) -> None:
    with pytest.raises(Unreachable, match="connection"):
        await post(near, "http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "does not speak TLS"),
        (b"220 mail.example ESMTP\r\n", "does not speak TLS"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "the TLS handshake"),  # the alert handshake_failure
        (b"\x15\x03\x03\x00\x02\x02\x46", "the TLS handshake"),  # protocol_version
        (b"", "."),
    ],
)
async def test_a_server_without_our_tls_is_told_of_in_words_and_not_in_those_of_openssl(
    near: HttpOutgoing, answer: bytes, words: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable) as caught:
            await post(near, f"https://127.0.0.1:{port}/")
    assert words in str(caught.value)
    assert "SSL" not in str(caught.value)
    assert "_ssl" not in str(caught.value)
