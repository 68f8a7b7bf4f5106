"""SEARCH by SQL finds what plain comparison finds, whatever is asked and whatever the messages hold."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
import pytest_asyncio

from hourpost.mailboxes.messages import Want, list_rows
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.search import list_sort_rows, list_thread_rows
from hourpost.mailboxes.search_conditions import SearchScope
from hourpost.mailboxes.store import MailStore
from hourpost.mailboxes.uid_ranges import ALL_UIDS, UidRanges, ranges_of
from hourpost.rules.mail.scan import scan
from hourpost.rules.mail.scanned import Scanned
from hourpost.rules.mail.search_keys import (
    All,
    AllOf,
    AnyOf,
    ChangedSince,
    HasEmailId,
    HasFlag,
    HasThreadId,
    InBody,
    InHeader,
    InNumbers,
    InSaved,
    InText,
    InUids,
    IsRecent,
    Key,
    LargerThan,
    Moment,
    Not,
    OnDay,
    Relation,
    SmallerThan,
    Within,
)
from hourpost.rules.mail.sets import SequenceSet
from hourpost.rules.mail.sorting import Criterion, SortBy, sort_messages
from hourpost.rules.mail.threads import thread_by_subject
from hourpost.rules.mail_flags import Flag, list_flag_names
from tests.mailboxes.conftest import Place
from tests.rules.mail.searching import Scope, make_test

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SAVED, RECENT = {2, 5}, {7, 8, 9}
TEXTS = (
    "100% of_it\\",
    "Grüße aus KÖLN",
    "a [b] (c)* ^$ ?",
    "plain words here",
    "line one\r\nline two",
    "İstanbul ﬁne",
)
HEADERS = ("Subject: Offer 50%_\\x", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "X-Odd: a.b*c", "Cc: Bob <bob@x.test>", "")
DATES = ("Mon, 1 Jun 2026 23:30:00 -0500", "Sun, 31 May 2026 10:00:00 +0000", "nonsense", "")


@dataclass(frozen=True)
class Seen:
    """A message as plain comparison sees it."""

    number: int
    uid: int
    modseq: int
    flag_names: frozenset[str]
    is_recent: bool
    size_bytes: int
    received_at: datetime
    saved_at: datetime
    scanned: Scanned
    email_id: str
    thread_id: str

    @property
    def sent_on(self) -> date | None:
        return self.scanned.sent_on

    @property
    def search_header(self) -> str:
        return self.scanned.search_header

    @property
    def search_text(self) -> str:
        return self.scanned.search_text


def make_content(chance: random.Random) -> bytes:
    sent = chance.choice(DATES)
    lines = [f"Date: {sent}"] if sent else []
    lines += [f"From: Ann <ann{chance.randrange(3)}@x.test>", chance.choice(HEADERS)]
    lines += ["Content-Type: text/plain; charset=utf-8"]
    header = "\r\n".join(line for line in lines if line)
    return f"{header}\r\n\r\n{chance.choice(TEXTS)} {chance.choice(TEXTS)}\r\n".encode()


@pytest_asyncio.fixture
async def seen(store: MailStore, place: Place) -> list[Seen]:
    chance = random.Random(7)
    contents = [make_content(chance) for _ in range(40)]
    news = [
        NewMessage(
            content,
            Flag(chance.randrange(32)),
            tuple(chance.sample(["$Work", "later", "NIL"], chance.randrange(3))),
            NOW - timedelta(hours=chance.randrange(60)),
        )
        for content in contents
    ]
    for start in range(0, 40, 10):
        await store.append_all(*place.ids, news[start : start + 10])
    await store.remove(*place.ids, [(3, 3), (11, 12)])
    rows = await store.read(list_rows, place.inbox.id, ALL_UIDS, Want.SIZE | Want.DATES | Want.IDS)
    names = await store.keyword_names(place.mailbox.id)
    return [
        Seen(
            number=number,
            uid=row.uid,
            modseq=row.modseq,
            flag_names=frozenset(
                name.lower() for name in (*list_flag_names(row.flags), *(names[one] for one in row.keywords or ()))
            ),
            is_recent=row.uid in RECENT,
            size_bytes=row.size_bytes,
            received_at=row.received_at,
            saved_at=row.saved_at,
            scanned=scan(contents[row.uid - 1]),
            email_id=f"M{row.content_id.hex}",
            thread_id=f"T{row.thread_id.hex}",
        )
        for number, row in enumerate(rows, start=1)
    ]


def make_key(chance: random.Random, seen: list[Seen], depth: int = 0) -> Key:
    if depth < 3 and chance.random() < 0.4:
        parts = tuple(make_key(chance, seen, depth + 1) for _ in range(chance.randrange(4)))
        return chance.choice([AllOf(parts), AnyOf(parts), Not(make_key(chance, seen, depth + 1))])
    one = chance.choice(seen)
    words = [*TEXTS, "ß", "%", "_", "\\", "line one line", "OFFER", "x.test", "", "*c", "\0", "[B]"]
    text = chance.choice(words)[chance.randrange(3) :][: chance.randrange(12)]
    pair = (one.uid, chance.choice([None, one.uid + 4, 2**32 - 1]))
    return chance.choice(
        [
            All(),
            InNumbers(SequenceSet(((one.number, one.number + 3), (1, 2)))),
            InUids(SequenceSet((pair,))),
            InUids(SequenceSet(((1, 3), pair))),
            InSaved(),
            IsRecent(),
            HasFlag(chance.choice(["\\seen", "\\Draft", "$WORK", "nil", "unheard"])),
            OnDay(chance.choice(list(Moment)), chance.choice(list(Relation)), date(2026, 5, 30 + chance.randrange(2))),
            OnDay(Moment.SENT, chance.choice(list(Relation)), date(2026, 6, 1)),
            Within(chance.choice([3600 * 20, 2**40]), chance.random() < 0.5),
            LargerThan(one.size_bytes),
            SmallerThan(chance.choice([one.size_bytes, 2**63])),
            InHeader(chance.choice(["Subject", "from", "X-ODD", "cc", "x"]), text),
            InBody(text),
            InText(text),
            ChangedSince(one.modseq),
            HasEmailId(one.email_id),
            HasThreadId(chance.choice([one.thread_id, "T1", "nothing"])),
        ]
    )


async def test_sql_and_plain_comparison_agree(store: MailStore, place: Place, seen: list[Seen]) -> None:
    chance = random.Random(11)
    by_number = {one.number: one.uid for one in seen}

    def uids_of(numbers: SequenceSet) -> UidRanges:
        ranges = numbers.resolve(len(seen))
        return ranges_of(uid for number, uid in by_number.items() if any(a <= number <= b for a, b in ranges))

    scope = SearchScope(NOW, seen[-1].uid, uids_of, ranges_of(RECENT), ranges_of(SAVED))
    plain = Scope(len(seen), seen[-1].uid, NOW, SAVED)
    some = 0
    for _ in range(400):
        key = make_key(chance, seen)
        test = make_test(key, plain)
        expected = [one for one in seen if test(one)]
        found = await store.search(*place.ids, key, scope)
        assert list(found.uids) == [one.uid for one in expected], key
        assert found.modseq == max((one.modseq for one in expected), default=0)
        some += 0 < len(expected) < len(seen)
    assert some > 100


@pytest.mark.parametrize("by", list(SortBy))
async def test_rows_sort(store: MailStore, place: Place, seen: list[Seen], by: SortBy) -> None:
    rows = await store.read(list_sort_rows, place.inbox.id, [one.uid for one in seen])
    assert len(sort_messages(rows, [Criterion(by)])) == len(seen)


async def test_rows_thread(store: MailStore, place: Place, seen: list[Seen]) -> None:
    rows = await store.read(list_thread_rows, place.inbox.id, [one.uid for one in seen])
    assert 1 < len(thread_by_subject(rows)) < len(seen)
    assert list(rows[0].references) == []
