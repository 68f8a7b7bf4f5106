"""SORT and THREAD on light rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from hourpost.rules.mail.sorting import Criterion, SortBy, sort_messages
from hourpost.rules.mail.subjects import find_base_subject
from hourpost.rules.mail.threads import thread_by_references, thread_by_subject, write_threads

START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    uid: int
    sent_at: datetime | None = START
    received_at: datetime = START
    size_bytes: int = 0
    base_subject: str = ""
    is_reply: bool = False
    from_key: str = ""
    to_key: str = ""
    cc_key: str = ""
    display_from_key: str = ""
    display_to_key: str = ""
    message_id: str | None = None
    in_reply_to: str | None = None
    references: Sequence[str] = ()


def at(hours: int) -> datetime:
    return START + timedelta(hours=hours)


def sort(rows: list[Row], *words: str) -> list[int]:
    criteria = [Criterion(SortBy(word.lstrip("-")), word.startswith("-")) for word in words]
    return [row.uid for row in sort_messages(rows, criteria)]


def test_messages_are_sorted_by_one_criterion_after_the_other() -> None:
    rows = [Row(3, from_key="B", size_bytes=1), Row(1, from_key="B", size_bytes=2), Row(2, from_key="A", size_bytes=3)]
    assert sort(rows, "FROM") == [2, 1, 3]
    assert sort(rows, "FROM", "SIZE") == [2, 3, 1]
    assert sort(rows, "-FROM", "SIZE") == [3, 1, 2]


def test_reverse_keeps_those_alike_in_their_order() -> None:
    assert sort([Row(2), Row(1), Row(3, size_bytes=1)], "-SIZE") == [3, 1, 2]


def test_a_message_without_a_date_is_sorted_by_when_it_came() -> None:
    rows = [Row(1, sent_at=None, received_at=at(5)), Row(2, sent_at=at(6)), Row(3, sent_at=at(4), received_at=at(9))]
    assert sort(rows, "DATE") == [3, 1, 2]
    assert sort(rows, "ARRIVAL") == [2, 1, 3]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("CC", "cc_key"),
        ("TO", "to_key"),
        ("SUBJECT", "base_subject"),
        ("DISPLAYFROM", "display_from_key"),
        ("DISPLAYTO", "display_to_key"),
    ],
)
def test_each_criterion_has_its_key(word: str, name: str) -> None:
    assert sort([Row(1, **{name: "B"}), Row(2, **{name: "A"})], word) == [2, 1]


def mail(uid: int, subject: str = "", above: str = "", *, hours: int | None = None, name: str | None = None) -> Row:
    base = find_base_subject(subject)
    return Row(
        uid,
        sent_at=at(uid if hours is None else hours),
        base_subject=base.key,
        is_reply=base.is_reply,
        message_id=str(uid) if name is None else name or None,
        references=tuple(above.split()),
    )


def by_references(*rows: Row) -> str:
    return write_threads(thread_by_references(rows), lambda uid: uid).decode()


def by_subject(*rows: Row) -> str:
    return write_threads(thread_by_subject(rows), lambda uid: uid).decode()


def test_ordered_subject_has_the_first_and_its_answers() -> None:
    rows = [mail(1, "b"), mail(2, "a"), mail(3, "Re: b"), mail(4, "re: b"), mail(5, "Re: a")]
    assert by_subject(*rows) == "(1 (3)(4))(2 5)"
    assert by_subject() == ""


THREADS = {
    "alone": ((mail(1), mail(2)), "(1)(2)"),
    "a chain": ((mail(1), mail(2, above="1"), mail(3, above="1 2")), "(1 2 3)"),
    "a chain that came backwards": ((mail(3, above="1 2"), mail(2, above="1"), mail(1)), "(1 2 3)"),
    "two answers": ((mail(1), mail(2, above="1"), mail(3, above="1"), mail(4, above="1 2")), "(1 (2 4)(3))"),
    "one in between is missing": ((mail(1), mail(3, above="1 2")), "(1 3)"),
    "the first is missing, with one answer": ((mail(2, above="1"), mail(3, above="1 2")), "(2 3)"),
    "the first is missing, with two answers": ((mail(2, above="1"), mail(3, above="1")), "((2)(3))"),
    "the first two are missing": ((mail(3, above="1 2"), mail(4, above="1 2")), "((3)(4))"),
    "a ring": ((mail(1, above="2"), mail(2, above="1")), "(2 1)"),
    "what the message says counts, also when it is nothing": ((mail(1), mail(2, above="1 3"), mail(3)), "(1)(3 2)"),
    "itself, though another says otherwise": ((mail(1), mail(2, above="1 3"), mail(3, above="3")), "(1)(3 2)"),
    "itself": ((mail(1, above="1"),), "(1)"),
    "an id twice": ((mail(1), mail(2, name="1"), mail(3, above="1")), "(1 3)(2)"),
    "no ids": ((mail(1, name=""), mail(2, name="")), "(1)(2)"),
    "what the message says counts": ((mail(1), mail(2, above="1 3"), mail(3, above="4"), mail(4)), "(1)(4 3 2)"),
    "a subject, the first of it no answer": ((mail(1, "x"), mail(2, "Re: x")), "(1 2)"),
    "an answer before what it answers": ((mail(1, "Re: x"), mail(2, "x")), "(2 1)"),
    "two firsts of a subject": ((mail(1, "x"), mail(2, "x"), mail(3, "x")), "((1)(2)(3))"),
    "two answers of a subject": ((mail(1, "Re: x"), mail(2, "Re: x")), "((1)(2))"),
    "a subject joins what has no first": (
        (mail(2, "Re: x", above="1"), mail(3, "Re: x", above="1"), mail(4, "x")), "((2)(3)(4))"),
    "two without firsts": (
        (mail(3, "x", "1"), mail(4, "x", "1"), mail(5, "x", "2"), mail(6, "x", "2")), "((3)(4)(5)(6))"),
    "siblings by date": ((mail(1), mail(2, above="1", hours=9), mail(3, above="1", hours=8)), "(1 (3)(2))"),
    "threads by date": ((mail(1, hours=9), mail(2, hours=8)), "(2)(1)"),
}  # fmt: skip


@pytest.mark.parametrize("name", THREADS)
def test_references_make_threads(name: str) -> None:
    rows, expected = THREADS[name]
    assert by_references(*rows) == expected


def test_in_reply_to_counts_where_there_are_no_references() -> None:
    assert by_references(mail(1), Row(2, message_id="2", in_reply_to="1")) == "(1 2)"
    assert by_references(mail(1), mail(3), Row(2, message_id="2", in_reply_to="3", references=("1",))) == "(1 2)(3)"


def test_numbers_are_those_of_the_session() -> None:
    assert write_threads(thread_by_references([mail(7)]), {7: 1}.__getitem__) == b"(1)"


def test_a_deep_thread_is_no_deep_recursion() -> None:
    rows = [mail(uid, above=str(uid - 1)) for uid in range(2, 20_000)]
    assert by_references(*rows, mail(1)).count("(") == 1
    assert by_references(mail(1), *reversed(rows)).count(" ") == 19_998


def test_every_message_is_in_one_thread() -> None:
    rows = [
        mail(uid, "Re: x" if uid % 7 else "x", f"{uid * 7 % 50} {uid * 11 % 50} {uid * 13 % 60}") for uid in range(50)
    ]
    written = by_references(*rows)
    assert sorted(map(int, written.replace("(", " ").replace(")", " ").split())) == list(range(50))
