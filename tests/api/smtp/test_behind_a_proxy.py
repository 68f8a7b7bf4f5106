"""Behind a proxy that passes TCP on: a client is who the proxy says, and without a word of it nobody is taken in."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network

import pytest

from api.listening import server
from tests.api.smtp.running import RunningDoor

NewDoor = Callable[..., RunningDoor]
HEADER = b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 25\r\n"


@pytest.fixture
def door(new_door: NewDoor) -> RunningDoor:
    return new_door(proxies=[ip_network("127.0.0.0/8")])


class Behind(smtplib.SMTP):
    """A client whose connection begins with a header."""

    def __init__(self, host: str, port: int, header: bytes) -> None:
        self.header = header
        super().__init__(host, port, timeout=30)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]  # not in the stubs
        connected.sendall(self.header)
        return connected


def talk(port: int, *said: bytes) -> bytes:
    """All that comes back until the door closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        for piece in said:
            client.sendall(piece)
        found = b""
        with suppress(ConnectionResetError):  # what was not read is dropped with the connection
            while piece := client.recv(65_536):
                found += piece
        return found


@pytest.mark.parametrize(("header", "address"), [(HEADER, "192.0.2.7"), (b"PROXY UNKNOWN\r\n", "127.0.0.1")])
def test_a_message_comes_from_whom_the_proxy_speaks_for(door: RunningDoor, header: bytes, address: str) -> None:
    with Behind("127.0.0.1", door.inbound, header) as client:
        client.sendmail("bob@far.example", "box@acme.test", "Subject: hi\r\n\r\nhi\r\n")
    ((envelope, _),) = door.mailroom.came
    assert envelope.hop.client_address == address


def test_tls_begins_behind_the_header(door: RunningDoor) -> None:
    with socket.create_connection(("127.0.0.1", door.submissions), timeout=30) as plain:
        plain.sendall(HEADER)
        with door.tls.wrap_socket(plain, server_hostname="localhost") as client:
            assert client.recv(4)[:4] == b"220 "
            assert list(door.door.guard._open) == ["192.0.2.7"]


def test_who_brings_no_header_is_not_taken_in(door: RunningDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert talk(door.inbound, b"EHLO far.example\r\n") == b""
    monkeypatch.setattr(server, "_HEADER_SECONDS", 0.05)
    assert talk(door.inbound) == b""
    assert door.door.guard.connections == 0


def test_caps_are_for_the_client_and_not_for_the_proxy(new_door: NewDoor) -> None:
    door = new_door(proxies=[ip_network("127.0.0.0/8")], strangers_per_network=1)
    with socket.create_connection(("127.0.0.1", door.inbound), timeout=30) as first:
        first.sendall(HEADER)
        for said, heard in ((b"EHLO x\r\n", b"CHUNKING"), (b"MAIL FROM:<bob@far.example>\r\n", b"250 2.1.0")):
            first.sendall(said)
            while heard not in first.recv(4096):
                pass
        assert talk(door.inbound, HEADER).startswith(b"421 ")
        assert talk(door.inbound, HEADER.replace(b".7", b".8") + b"QUIT\r\n").startswith(b"220 ")


def test_from_elsewhere_a_header_is_no_word_of_smtp(new_door: NewDoor) -> None:
    door = new_door(proxies=[ip_network("192.0.2.0/24")])
    assert b"\r\n500 " in talk(door.inbound, HEADER + b"QUIT\r\n")
