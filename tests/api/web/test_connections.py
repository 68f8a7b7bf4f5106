"""Connections that say nothing, or say it slowly, end; those that ask for something are not counted."""

from __future__ import annotations

import socket
import time

import pytest

from api.web import connections
from tests.api.web.conftest import Customer

ASK = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def knock(owner: Customer) -> socket.socket:
    url = owner.http.base_url
    return socket.create_connection((url.host, url.port or 80), timeout=5)


def hear(one: socket.socket) -> bytes:
    """What came within a moment; nothing where the other end is gone."""
    time.sleep(0.2)
    try:
        return one.recv(65536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("said", [b"", b"GET /v1/emails HTTP/1.1\r\nX-A: ", b"\r\n", ASK + b"GET /", ASK + b"\r\n"])
def test_who_does_not_end_the_head_of_a_request_in_time_is_left(
    owner: Customer, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    with knock(owner) as one:
        for piece in said.partition(ASK):
            one.sendall(piece)
            time.sleep(0.1)
        assert (b"200" in (heard := hear(one))) == (ASK in said)
        time.sleep(0.5)
        assert not heard or hear(one) == b""  # and no TimeoutError


def test_a_request_may_take_longer_than_its_head(owner: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    with knock(owner) as one:
        for _ in range(3):
            one.sendall(ASK)
            assert b"200" in hear(one)
            time.sleep(0.5)
        one.sendall(b"POST /v1/emails HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
        time.sleep(0.5)
        one.sendall(b"}")
        assert b"401" in hear(one)


def test_who_does_not_end_a_body_in_time_is_left(owner: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.5)
    head = f"POST /v1/emails HTTP/1.1\r\nHost: x\r\nAuthorization: {owner.http.headers['authorization']}\r\n"
    with knock(owner) as one:
        one.sendall(f"{head}Content-Length: 100\r\n\r\n".encode())
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(30):
                one.sendall(b" ")
                time.sleep(0.1)
    with knock(owner) as one:
        for _ in range(3):
            one.sendall(f"{head}Content-Length: 2\r\n\r\n{{".encode())
            time.sleep(0.3)  # its time is its own, and no part of the next one's
            one.sendall(b"}")
            assert b" 422 " in hear(one)


@pytest.mark.parametrize(("rest_seconds", "is_left"), [(30.0, False), (0.5, True)])
def test_who_sends_a_body_slowly_reads_an_answer_that_was_given_early(
    owner: Customer, monkeypatch: pytest.MonkeyPatch, rest_seconds: float, is_left: bool
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(connections, "REST_SECONDS", rest_seconds)
    with knock(owner) as one:
        one.sendall(b"POST /v1/emails HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n")
        try:
            for _ in range(15):
                time.sleep(0.1)
                one.sendall(b"x")
            assert b" 401 " in hear(one)
            one.sendall(ASK)
            assert (b"200" in hear(one)) != is_left
        except (BrokenPipeError, ConnectionResetError):
            assert is_left


def test_of_many_silent_ones_from_one_place_the_oldest_go(owner: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_SILENT", 3)
    at_once = [knock(owner) for _ in range(6)]
    time.sleep(0.1)
    for one in at_once[:3]:
        one.sendall(ASK)
        assert b"200" in hear(one)  # so many may come at once
    monkeypatch.setattr(connections, "_GRACE_SECONDS", 0.0)
    time.sleep(0.1)
    last = knock(owner)
    time.sleep(0.1)
    assert hear(at_once[3]) == b""
    for one in (*at_once[:3], *at_once[4:], last):
        one.sendall(ASK)
        assert b"200" in hear(one)
        one.close()
    at_once[3].close()
