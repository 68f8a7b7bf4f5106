"""The same messages here and in Dovecot, the same commands to both, at random: what is answered is the same."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.api.imap.client import Client
from tests.rules.mail.dovecot import IMAP, Maildir, read_value
from tests.rules.mail.made_up import Maker

pytestmark = pytest.mark.skipif(not IMAP.exists(), reason="Dovecot is not installed")
MESSAGES = 120
COMMANDS = 400
_FETCH = re.compile(rb"\* ([0-9]+) FETCH \(")
_NAME = re.compile(rb" ?([A-Z0-9.]+(?:\[[^\]]*\])?(?:<[0-9]+>)?) ")
_ITEMS = (
    *("UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "RFC822.HEADER"),
    *("BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[1]", "BODY.PEEK[2]"),
    *("BODY.PEEK[1.MIME]", "BODY.PEEK[2.MIME]", "BODY.PEEK[]<3.40>", "BODY.PEEK[TEXT]<10.5>", "BODY.PEEK[1]<0.7>"),
    *("BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]", "BODY.PEEK[HEADER.FIELDS.NOT (TO CC DATE)]", "RFC822", "RFC822.TEXT"),
    "BODY[1]<2.3>",
)
_KEYS = (
    *("ALL", "SEEN", "UNSEEN", "FLAGGED", "DELETED", "ANSWERED", "DRAFT", "KEYWORD Work", "UNKEYWORD Work"),
    *("FROM ann", "FROM Lee", "TO bob", "CC example", "SUBJECT re", "SUBJECT GRÜßE", "SUBJECT lunch", "SUBJECT É"),
    *("TEXT lunch", "TEXT Message-ID", "BODY au", "BODY café", "HEADER Message-ID 5", "HEADER X-None x"),
    *("HEADER Content-Type multipart", "LARGER 400", "SMALLER 900", "SENTON 5-Nov-2026"),
    *("SENTSINCE 6-Nov-2026", "BEFORE 1-Jan-2030", "SINCE 1-Jan-2000", "ON 9-Sep-2001", "1:40", "UID 30:60,99:*"),
    *("70:*", "HEADER References x", "UID 1"),
)
_FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "\\Deleted", "Work", "$Label")
_SORTED_BY = ("CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO")


class Commands:
    """Commands at random."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def make(self) -> str:
        dice = self._dice
        kind = dice.randrange(10)
        uid = dice.choice(("", "", "UID "))
        if kind <= 3:
            items = dice.sample(_ITEMS, dice.randrange(1, 5))
            return f"{uid}FETCH {self._set()} ({' '.join(items)})"
        if kind <= 6:
            return f"{uid}SEARCH CHARSET UTF-8 {self._key(0)}"
        if kind == 7:
            return f"{uid}SORT ({dice.choice(_SORTED_BY)}) UTF-8 {self._key(1)}"
        if kind == 8:
            return f"{uid}THREAD {dice.choice(('REFERENCES', 'ORDEREDSUBJECT'))} UTF-8 {self._key(1)}"
        flags = " ".join(dice.sample(_FLAGS, 2))
        return f"{uid}STORE {self._set()} {dice.choice(('+', '-', ''))}FLAGS.SILENT ({flags})"

    def _set(self) -> str:
        first, last = (self._dice.randrange(1, MESSAGES + 1) for _ in range(2))
        return self._dice.choice((f"{first}", f"{first}:{min(last, first + 20)}", f"{first},{last}", f"{last}:*"))

    def _key(self, depth: int) -> str:
        dice = self._dice
        kind = dice.randrange(8) if depth < 3 else 7
        if kind == 0:
            return f"NOT {self._key(depth + 1)}"
        if kind == 1:
            return f"OR {self._key(depth + 1)} {self._key(depth + 1)}"
        if kind == 2:
            return f"({self._key(depth + 1)} {self._key(depth + 1)})"
        key = dice.choice(_KEYS)
        word, _, text = key.rpartition(" ")
        return key if text.isascii() else f"{word} {{{len(text.encode())}+}}\r\n{text}"


@pytest.fixture(scope="module")
def contents() -> list[bytes]:
    maker = Maker(3501)
    return [maker.message() for _ in range(MESSAGES)]


@pytest.fixture(scope="module")
def maildir(contents: list[bytes]) -> Iterator[Maildir]:
    with TemporaryDirectory(prefix="hourpost-dovecot-", ignore_cleanup_errors=True) as folder:
        yield Maildir(Path(folder), contents)


def read_answers(answers: list[bytes]) -> dict[str, Any]:
    """What a command was answered, in a form in which the same is equal."""
    found: dict[str, Any] = {"fetched": {}}
    for answer in answers:
        fetched = _FETCH.match(answer)
        if fetched is not None:
            found["fetched"].setdefault(int(fetched[1]), {}).update(read_items(answer, fetched.end()))
        elif answer.startswith((b"* SEARCH", b"* SORT", b"* THREAD")):
            found["found"] = answer.rstrip()
    found["outcome"] = answers[-1].split(b" ")[0]
    return found


def read_items(answer: bytes, at: int) -> dict[bytes, Any]:
    items: dict[bytes, Any] = {}
    while answer[at : at + 1] != b")":
        name = _NAME.match(answer, at)
        assert name is not None, answer[at : at + 100]
        value, at = read_value(answer, name.end())
        if name[1] == b"FLAGS":
            value = frozenset(value) - {b"\\Recent"}
        items[name[1].upper()] = value
    return items


def test_what_both_answer_is_the_same(client: Client, maildir: Maildir, contents: list[bytes]) -> None:
    make = Commands(9051).make
    with maildir.open() as opened:
        dovecot = Client(None, opened=opened)
        dovecot.response()
        dovecot.ask(b"SELECT INBOX")
        fill(client, contents, read_dates(dovecot))
        for command in ("STORE 1:* FLAGS ()", *(make() for _ in range(COMMANDS))):
            mine, theirs = (read_answers(one.ask(command.encode())) for one in (client, dovecot))
            assert list_differences(mine, theirs) == [], command


def list_differences(mine: dict[str, Any], theirs: dict[str, Any]) -> list[object]:
    """What is not the same, small enough to be read."""
    fetched = [one.pop("fetched") for one in (mine, theirs)]
    found: list[object] = [] if mine == theirs else [(mine, theirs)]
    found += [] if fetched[0].keys() == fetched[1].keys() else [(list(fetched[0]), list(fetched[1]))]
    for number in fetched[0].keys() & fetched[1].keys():
        ours, other = fetched[0][number], fetched[1][number]
        # Of a part that is not there one says NIL and the other that it is empty
        names = [name for name in ours.keys() | other.keys() if (ours.get(name) or None) != (other.get(name) or None)]
        found += [(number, name, ours.get(name), other.get(name)) for name in names]
    return found


def read_dates(dovecot: Client) -> list[bytes]:
    fetched = read_answers(dovecot.ask(b"FETCH 1:* (INTERNALDATE)"))["fetched"]
    return [fetched[number][b"INTERNALDATE"] for number in range(1, MESSAGES + 1)]


def fill(client: Client, contents: list[bytes], dates: list[bytes]) -> None:
    for content, date in zip(contents, dates, strict=True):
        assert client.ask(b'APPEND INBOX "%b" {%d+}\r\n%b' % (date, len(content), content))[-1].startswith(b"OK")
    client.ask(b"SELECT INBOX")
