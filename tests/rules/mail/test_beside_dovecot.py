"""The same messages, scanned by us and by Dovecot where it is installed: what IMAP says of them is the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from hourpost.rules.mail.decoding import decode_part
from hourpost.rules.mail.scan import scan
from hourpost.rules.mail.scanned import Part, Scanned
from hourpost.rules.mail.sections import find_span
from hourpost.rules.mail.sorting import Criterion, SortBy, sort_messages
from hourpost.rules.mail.threads import thread_by_references, thread_by_subject, write_threads
from tests.rules.mail.dovecot import IMAP, Maildir, read_fetched, read_value
from tests.rules.mail.made_up import Maker

pytestmark = pytest.mark.skipif(not IMAP.exists(), reason="Dovecot is not installed")
MESSAGES = 200


class Row:
    """A message as SORT and THREAD see it."""

    def __init__(self, uid: int, size_bytes: int, received_at: datetime, scanned: Scanned) -> None:
        self.uid = uid
        self.size_bytes = size_bytes
        self.received_at = received_at
        self._scanned = scanned

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scanned, name)


@dataclass
class Both:
    """The messages, what we scanned, and Dovecot with the same."""

    contents: list[bytes]
    scanned: list[Scanned]
    maildir: Maildir

    def rows(self) -> list[Row]:
        answers = read_fetched(self.maildir.ask("FETCH 1:* (INTERNALDATE)"))
        dates = [answers[number + 1][b"INTERNALDATE"].decode() for number in range(MESSAGES)]
        received = [datetime.strptime(text, "%d-%b-%Y %H:%M:%S %z").astimezone(UTC) for text in dates]
        return [
            Row(number + 1, len(self.contents[number]), received[number], one)
            for number, one in enumerate(self.scanned)
        ]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    # Not the folder of the tests: another user has to get through to it
    with TemporaryDirectory(prefix="hourpost-dovecot-", ignore_cleanup_errors=True) as folder:
        maker = Maker(9051)
        contents = [maker.message() for _ in range(MESSAGES)]
        yield Both(contents, [scan(content) for content in contents], Maildir(Path(folder), contents))


def test_structures_and_envelopes_are_the_same(both: Both) -> None:
    theirs = read_fetched(both.maildir.ask("FETCH 1:* (ENVELOPE BODY BODYSTRUCTURE)"))
    for number, scanned in enumerate(both.scanned, 1):
        assert read_value(scanned.envelope)[0] == theirs[number][b"ENVELOPE"], both.contents[number - 1]
        assert read_value(scanned.body)[0] == theirs[number][b"BODY"], both.contents[number - 1]
        assert read_value(scanned.bodystructure)[0] == theirs[number][b"BODYSTRUCTURE"], both.contents[number - 1]


def test_every_section_and_its_decoded_bytes_are_the_same(both: Both) -> None:
    commands = []
    for number, scanned in enumerate(both.scanned, 1):
        items = [item for part in scanned.parts for item in list_items(part)]
        commands.append(f"FETCH {number} ({' '.join(items)})")
    theirs = read_fetched(both.maildir.ask(*commands))
    for number, (content, scanned) in enumerate(zip(both.contents, both.scanned, strict=True), 1):
        for part in scanned.parts:
            for name, mine in read_sections(content, part).items():
                assert mine == theirs[number][name.encode()], (name, content)


def list_items(part: Part) -> list[str]:
    what = ["", ".MIME", *([".HEADER", ".TEXT"] if part.inner_header_size is not None else [])]
    items = [f"BODY.PEEK[{part.section}{one}]" for one in what]
    if part.media_type not in ("multipart", "message"):
        items += [f"BINARY.PEEK[{part.section}]", f"BINARY.SIZE[{part.section}]"]
    return items


def read_sections(content: bytes, part: Part) -> dict[str, bytes]:
    found = {}
    for item in list_items(part):
        name = item.replace(".PEEK", "")
        if name.startswith("BODY"):
            span = find_span(part, name.strip("]").removeprefix(f"BODY[{part.section}").lstrip("."))
            assert span is not None
            found[name] = content[span.at : span.at + span.size]
        else:
            decoded = decode_part(content, part)
            found[name] = decoded if name.startswith("BINARY[") else str(len(decoded)).encode()
    return found


def test_every_sort_is_the_same(both: Both) -> None:
    rows = both.rows()
    orders = [[Criterion(by)] for by in SortBy]
    orders += [[Criterion(SortBy.FROM, is_reversed=True), Criterion(SortBy.SUBJECT), Criterion(SortBy.DATE)]]
    words = [" ".join(f"{'REVERSE ' * one.is_reversed}{one.by.value}" for one in order) for order in orders]
    answers = both.maildir.ask(*(f"SORT ({word}) UTF-8 ALL" for word in words)).split(b"\r\n")
    theirs = [[int(uid) for uid in line.split()[2:]] for line in answers if line.startswith(b"* SORT")]
    for order, expected in zip(orders, theirs, strict=True):
        assert [row.uid for row in sort_messages(rows, order)] == expected, order


def test_threads_are_the_same(both: Both) -> None:
    rows = both.rows()
    answers = both.maildir.ask("THREAD ORDEREDSUBJECT UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL").split(b"\r\n")
    theirs = [line.removeprefix(b"* THREAD ") for line in answers if line.startswith(b"* THREAD")]
    mine = [write_threads(make(rows), lambda uid: uid) for make in (thread_by_subject, thread_by_references)]
    assert mine == theirs


def test_the_day_a_message_was_sent_is_the_same(both: Both) -> None:
    answers = both.maildir.ask("SEARCH SENTON 5-Nov-2026").split(b"\r\n")
    (line,) = [line for line in answers if line.startswith(b"* SEARCH")]
    mine = [number for number, one in enumerate(both.scanned, 1) if one.sent_on == date(2026, 11, 5)]
    assert [int(number) for number in line.split()[2:]] == mine
