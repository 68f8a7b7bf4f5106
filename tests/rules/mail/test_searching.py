"""SEARCH keys, each against a message that matches and by negation one that does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

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
    Need,
    Not,
    OnDay,
    Relation,
    SmallerThan,
    Within,
    both,
    either,
    find_needs,
    negate,
)
from hourpost.rules.mail.sets import parse_set
from tests.rules.mail.searching import Scope, make_test

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = date(2026, 11, 24)


@dataclass(frozen=True)
class Mail:
    number: int = 3
    uid: int = 30
    modseq: int = 7
    flag_names: frozenset[str] = frozenset(("\\seen", "$junk"))
    is_recent: bool = False
    size_bytes: int = 1000
    received_at: datetime = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    saved_at: datetime = datetime(2026, 11, 25, 1, tzinfo=UTC)
    sent_on: date | None = date(2026, 11, 23)
    search_header: str = "from: ann <ann@example.org>\nsubject: re: grüsse\nx-empty:\nreply-to: bob"
    search_text: str = "see you at the café tomorrow"
    email_id: str = "M1"
    thread_id: str = "T1"


def matches(key: Key, mail: Mail | None = None) -> bool:
    scope = Scope(last_number=5, last_uid=50, now=NOW, saved_uids=frozenset((30,)))
    return make_test(key, scope)(mail or Mail())


def on(moment: Moment, relation: Relation, days: int) -> OnDay:
    return OnDay(moment, relation, DAY + timedelta(days=days))


MATCHING = [
    All(),
    InNumbers(parse_set("1:3")),
    InNumbers(parse_set("*:1")),
    InUids(parse_set("30")),
    InSaved(),
    HasFlag("\\Seen"),
    HasFlag("$JUNK"),
    on(Moment.RECEIVED, Relation.ON, 0),
    on(Moment.RECEIVED, Relation.BEFORE, 1),
    on(Moment.RECEIVED, Relation.SINCE, 0),
    on(Moment.SAVED, Relation.ON, 1),
    on(Moment.SENT, Relation.ON, -1),
    on(Moment.SENT, Relation.BEFORE, 0),
    Within(86_400, is_younger=True),
    Within(45_000, is_younger=False),
    Within(45_000, is_younger=True),
    Within(10**12, is_younger=True),
    LargerThan(999),
    SmallerThan(1001),
    InHeader("Subject", "GRÜSSE"),
    InHeader("FROM", "ann@example"),
    InHeader("from", "ANN <"),
    InHeader("X-Empty", ""),
    InBody("CAFÉ tomo"),
    InBody("e\u0301 to"),
    InBody(""),
    InText("see  you"),
    InText("bob"),
    ChangedSince(7),
    HasEmailId("M1"),
    HasThreadId("T1"),
    AllOf(()),
    AllOf((All(), InText("grüße"))),
    AnyOf((IsRecent(), HasFlag("\\seen"))),
    Not(IsRecent()),
]
OTHERS = [
    InNumbers(parse_set("4:*")),
    InUids(parse_set("1:29,31:*")),
    HasFlag("\\Answered"),
    IsRecent(),
    on(Moment.RECEIVED, Relation.BEFORE, 0),
    on(Moment.RECEIVED, Relation.SINCE, 1),
    on(Moment.SENT, Relation.SINCE, 0),
    Within(100, is_younger=True),
    Within(86_400, is_younger=False),
    Within(10**12, is_younger=False),
    LargerThan(1000),
    SmallerThan(1000),
    InHeader("subject", "ann"),
    InHeader("to", "bob"),
    InHeader("x-e.pty", ""),
    InHeader("x-none", ""),
    InBody("grüsse"),
    InText("nowhere"),
    ChangedSince(8),
    HasEmailId("m1"),
    AnyOf(()),
    AllOf((All(), IsRecent())),
]


@pytest.mark.parametrize("key", MATCHING, ids=str)
def test_a_key_finds_its_message(key: Key) -> None:
    assert matches(key)
    assert not matches(Not(key))


@pytest.mark.parametrize("key", OTHERS, ids=str)
def test_a_key_passes_another_message_by(key: Key) -> None:
    assert not matches(key)


def test_a_message_without_a_date_was_sent_on_no_day() -> None:
    keys = [OnDay(Moment.SENT, relation, DAY) for relation in Relation]
    assert not any(matches(key, Mail(sent_on=None)) for key in keys)


def test_chains_of_keys_stay_flat() -> None:
    key: Key = All()
    for _ in range(4096):
        key = negate(negate(either(IsRecent(), key)))
    assert matches(key)
    assert both([AllOf((All(), IsRecent())), All()]) == AllOf((All(), IsRecent(), All()))
    assert both([All()]) == All()


def test_a_search_says_what_it_has_to_see() -> None:
    assert find_needs(both([HasFlag("\\Seen"), LargerThan(1)])) is Need.NOTHING
    assert find_needs(Not(AnyOf((InHeader("from", "x"), InBody("y"))))) == Need.HEADER | Need.TEXT
    assert find_needs(OnDay(Moment.SENT, Relation.ON, DAY)) is Need.SENT
