"""Whatever bytes a client sends: framing and grammar end, quickly, in a command or in a refusal."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from pathlib import Path

import pytest

from api.imap.grammar.commands import BadLine, read_arriving, read_command
from api.imap.grammar.framing import Announced, CommandText, Framer, TooLarge
from api.imap.limits import AFTER_LOGIN, BEFORE_LOGIN

FOLDER = Path(__file__).parents[2] / "dialogs" / "imap"
ROUNDS = 10_000
WORDS = (
    *(b"(", b")", b'"', b"\\", b"{", b"}", b"{3}", b"{3+}", b"~{1+}", b"*", b"%", b" ", b"\r\n", b"\n", b"\0", b"\xff"),
    *(b"BODY[", b"]", b"<0.1>", b"NOT ", b"OR ", b"UID ", b"RETURN (", b"4294967295", b"99999999999999999999", b"1:*"),
    *(
        b"NIL",
        b"$",
        b"&",
        b"&AAA-",
        b"CHARSET UTF-8 ",
        b"APPEND x ",
        b"UTF8 (",
        b",",
        b":",
        b"0",
        b"-",
        b"+",
        b"[",
        b".",
    ),
)


def commands() -> list[bytes]:
    """Every line that the conversations send, as seeds."""
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        for line in path.read_text().splitlines():
            if line.startswith("C: "):
                found.append(
                    line[3:].replace("\\\\", "\\").replace("\\r\\n", "\r\n").encode("utf-8", "replace") + b"\r\n"
                )
    return found


def mutate(seed: bytes, dice: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(4)
        if kind == 0:
            data[at:at] = dice.choice(WORDS) * dice.choice((1, 1, 1, 3, 200))
        elif kind == 1:
            del data[at : at + dice.randrange(1, 8)]
        elif kind == 2 and data:
            data[at % len(data)] = dice.randrange(256)
        else:
            data[at:at] = data[: dice.randrange(40)]
    return bytes(data)


def feed(data: bytes, dice: random.Random, *, is_logged_in: bool) -> int:
    """Everything through the framer and the grammar; how many commands there were."""
    framer = Framer(AFTER_LOGIN if is_logged_in else BEFORE_LOGIN)
    count, at = 0, 0
    while at < len(data):
        size = dice.randrange(1, 500)
        framer.feed(data[at : at + size])
        at += size
        while (frame := framer.next()) is not None:
            count += 1
            if isinstance(frame, TooLarge) and not frame.tag:
                return count
            try:
                if isinstance(frame, CommandText):
                    read_command(frame, is_logged_in=is_logged_in, is_utf8=dice.random() < 0.5)
                elif isinstance(frame, Announced):
                    read_arriving(frame.text, frame.literals, is_utf8=False)
            except BadLine as bad:
                assert str(bad)
                (bad.tag + bad.answer.encode()).decode("ascii")
            if isinstance(frame, Announced):
                framer.accept() if frame.size_bytes < 10_000 else framer.skip()
    return count


@pytest.mark.parametrize("is_logged_in", [True, False])
def test_mutated_commands_are_read_or_refused(is_logged_in: bool) -> None:
    dice, seeds = random.Random(3), commands()
    assert len(seeds) > 200
    for number in range(ROUNDS):
        data = b"".join(mutate(dice.choice(seeds), dice) for _ in range(dice.randrange(1, 4)))
        began_at = time.thread_time()
        feed(data, dice, is_logged_in=is_logged_in)
        assert time.thread_time() - began_at < 3, (number, data[:200])


@pytest.mark.parametrize(
    "line",
    [
        b"a SEARCH " + b"(" * 30_000,
        b"a SEARCH " + b"NOT " * 15_000 + b"ALL",
        b"a SEARCH " + b"OR ALL " * 9_000 + b"ALL",
        b"a SEARCH " + b"OR " * 20_000,
        b"a FETCH 1 (" + b"BODY[" * 12_000,
        b"a FETCH " + b"1," * 30_000 + b"1 FLAGS",
        b"a FETCH 1:4294967295,4294967295:1 FLAGS",
        b"a FETCH 1 BODY[" + b"1." * 30_000 + b"1]",
        b'a LIST "" ' + b"*%" * 30_000,
        b"a STORE 1 FLAGS (" + b"x " * 30_000 + b"x)",
        b'a LOGIN "' + b"\\" * 60_000 + b'"',
        b"a ID (" + b'"a" "b" ' * 7_000 + b")",
        b"a SORT (" + b"REVERSE " * 8_000 + b") UTF-8 ALL",
        b"a SELECT x (QRESYNC (1 1 " + b"1," * 30_000 + b"1))",
        b'a CREATE "' + b"&AGE-" * 12_000 + b'"',
    ],
    ids=lambda line: line[:20].decode(),
)
def test_what_is_made_to_be_deep_or_long_is_neither_deep_nor_slow(line: bytes) -> None:
    began_at = time.thread_time()
    with suppress(BadLine):
        read_command(CommandText(line))
    assert time.thread_time() - began_at < 3
