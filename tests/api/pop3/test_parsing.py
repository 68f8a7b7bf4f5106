"""The parsers against whatever bytes there are."""

from __future__ import annotations

import base64
import random

from api.pop3.commands import parse_command, parse_message, parse_number, parse_top
from api.pop3.replies import Refusal, write_error
from api.pop3.sasl import Login, parse_plain

_PIECES = (
    b"RETR",
    b"TOP",
    b"AUTH PLAIN",
    b"USER",
    b" ",
    b"  ",
    b"\t",
    b"1",
    b"0",
    b"-1",
    b"99999999999",
    b"\0",
    b"\xff",
    b"\r",
    "é".encode(),
    b"=",
)


def test_ten_thousand_lines_are_read_or_refused() -> None:
    chance = random.Random(1939)
    for _ in range(10_000):
        line = b"".join(chance.choices(_PIECES, k=chance.randint(0, 6)))
        try:
            command = parse_command(line)
            for parse in (parse_number, parse_message, parse_top):
                try_parse(parse, command)
            try_parse(parse_plain, command.argument)
        except Refusal as refusal:
            require_reply(refusal)


def try_parse(parse: object, value: object) -> None:
    try:
        parse(value)  # type: ignore[operator]
    except Refusal as refusal:
        require_reply(refusal)


def require_reply(refusal: Refusal) -> None:
    assert refusal.reply.startswith(b"-ERR ")
    assert refusal.reply.count(b"\r\n") == 1
    assert len(refusal.reply) <= 512


def test_ten_thousand_answers_to_auth_are_read_or_refused() -> None:
    chance = random.Random(4616)
    for _ in range(10_000):
        plain = b"".join(chance.choices((b"\0", b"a", b"\xff", "é".encode(), b"b" * 600), k=chance.randint(0, 6)))
        answer = base64.b64encode(plain).decode()[: chance.randint(0, 2000)]
        try:
            assert isinstance(parse_plain(answer), Login)
        except Refusal as refusal:
            require_reply(refusal)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Login("a@b.test", "secret"))
    assert "secret" not in repr(parse_command(b"PASS secret"))


def test_an_error_is_one_line_of_ascii() -> None:
    assert write_error("SYS/TEMP", "a\r\nb\0ü" + "x" * 1000).count(b"\r\n") == 1
    assert len(write_error("SYS/TEMP", "x" * 1000)) <= 512
