"""Nothing but CR LF dot CR LF ends a message, and nothing in it becomes a command."""

from __future__ import annotations

import pytest

from tests.api.smtp.dialog import Client
from tests.api.smtp.running import RunningDoor

ENDS = [
    b"\n.\n",
    b"\r.\r",
    b"\r.\n",
    b"\n.\r",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\0\r\n.\r\n",
    b"\r\n.\0\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n. \r\n",
]
SMUGGLED = b"MAIL FROM:<evil@acme.test>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nFrom: evil@acme.test\r\n\r\nevil"
OPEN = b"MAIL FROM:<a@acme.test>\r\nRCPT TO:<b@example.net>\r\n"
HEAD = b"From: a@acme.test\r\n\r\nhello"


@pytest.mark.parametrize("end", ENDS)
def test_a_malformed_end_after_data_is_refused(door: RunningDoor, client: Client, end: bytes) -> None:
    client.send(OPEN + b"DATA\r\n")
    assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
    if end == b"\0\r\n.\r\n":  # this one is an end, with a NUL before it
        assert client.ask(HEAD + end).startswith("554 5.6.0")
    else:
        assert client.ask(HEAD + end + SMUGGLED + b"\r\n.\r\n").startswith("554 5.6.0")
    assert client.ask(b"NOOP\r\n") == "250 2.0.0 ok"
    assert not door.intake.orders


@pytest.mark.parametrize("end", [end for end in ENDS if end != b"\r\n. \r\n"])
def test_a_malformed_end_in_a_chunk_is_refused(door: RunningDoor, client: Client, end: bytes) -> None:
    content = HEAD + end + SMUGGLED + b"\r\n"
    client.send(OPEN + b"BDAT %d LAST\r\n" % len(content) + content)
    assert [client.reply()[:9] for _ in range(3)] == ["250 2.1.0", "250 2.1.5", "554 5.6.0"]
    assert not door.intake.orders


def test_what_looks_like_commands_stays_in_the_message(door: RunningDoor, client: Client) -> None:
    client.send(OPEN + b"DATA\r\n")
    assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
    assert client.ask(HEAD + b"\r\n..\r\n" + SMUGGLED + b"\r\n.\r\n").startswith("250")
    assert len(door.intake.orders) == 1
    assert door.intake.orders[0].submissions[0].content.endswith(HEAD + b"\r\n.\r\n" + SMUGGLED + b"\r\n")


def test_plain_text_before_tls_is_forgotten(door: RunningDoor) -> None:
    with Client(door) as client:
        client.line()
        client.ask(b"EHLO one.test\r\n")
        assert client.ask(b"STARTTLS\r\n").startswith("220")
        client.start_tls()
        assert client.ask(b"MAIL FROM:<a@acme.test>\r\n") == "503 5.5.1 say EHLO first"
