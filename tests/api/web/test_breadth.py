"""Bodies with too much in them: refused by their counts, in no time to speak of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from api.web.breadth import MAX_VALUES, check_values
from hourpost.errors import ValidationFailed
from tests.api.web.conftest import Customer

WIDE: list[tuple[str, dict[str, Any], str]] = [
    ("addresses", {"to": ["a"] * 200_000}, "`to` holds 200,000 addresses, and an email goes to 50 at most"),
    ("what is no address", {"cc": [1] * 200_000}, "`cc` holds 200,000 addresses, and an email goes to 50 at most"),
    ("headers", {"headers": {f"k{n}": 1 for n in range(200_000)}}, "`headers` holds 200,000 headers"),
    ("unknown fields", {f"k{n}": 1 for n in range(200_000)}, "the body has more than 10,000 fields"),
    ("unknown fields in files", {"attachments": [{f"k{n}": 1 for n in range(300)}] * 900}, "more than 10,000 fields"),
    ("unknown fields in tags", {"tags": [{f"k{n}": 1 for n in range(3000)}] * 70}, "more than 10,000 fields"),
    ("files that are none", {"attachments": [{}] * 300_000}, "`attachments` must have 1000 items or fewer"),
    ("faults within the bounds", {f"k{n}": 1 for n in range(2000)}, "the body has 2,000 faults, too many to name them"),
]


@pytest.mark.parametrize(("fields", "words"), [one[1:] for one in WIDE], ids=[one[0] for one in WIDE])
def test_what_is_too_much_is_counted_and_not_looked_at(owner: Customer, fields: dict[str, Any], words: str) -> None:
    started_at = time.process_time()
    answer = owner.http.post("/v1/emails", json=owner.email() | fields)
    assert answer.status_code == 422
    assert words in answer.text
    assert len(answer.json()["errors"]) <= 2
    assert time.process_time() - started_at < 2  # of which most is our own writing of it


def test_of_faulty_addresses_a_hundred_are_named_and_the_others_counted(owner: Customer) -> None:
    errors = owner.http.post("/v1/emails", json=owner.email(to=["bob"] * 500)).json()["errors"]
    assert [errors[99]["pointer"], *errors[100:]] == [
        "/to/99",
        {"pointer": "/to", "detail": "`to` has 400 more, which were not looked at"},
    ]


def test_a_strict_batch_ends_where_there_are_faults_enough(owner: Customer) -> None:
    answer = owner.http.post("/v1/emails/batch", json=[owner.email(to=["bob"] * 99)] * 1000)
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 1000)
    assert answer.json()["message"].endswith("; the last 989 emails were not looked at")


def test_of_many_faults_in_one_email_of_a_batch_the_number_is_told(owner: Customer) -> None:
    faulty = owner.email() | {f"k{n}": 1 for n in range(500)}
    body = owner.http.post("/v1/emails/batch", json={"mode": "partial", "emails": [faulty, owner.email()]}).json()
    assert len(body["data"]) == 1
    assert body["errors"][0]["message"] == "the email has 500 faults, too many to name them"


@pytest.mark.parametrize(
    ("headers", "last"),
    [
        ({f"k{n}": "" for n in range(1000)}, "has 900 more, which were not looked at"),
        ({f"X-{n}": 1 for n in range(1000)}, "has 900 more whose value is no string"),
    ],
)
def test_of_faulty_headers_a_hundred_are_named(owner: Customer, headers: dict[str, Any], last: str) -> None:
    errors = owner.http.post("/v1/emails", json=owner.email(headers=headers)).json()["errors"]
    assert len(errors) <= 102
    assert errors[100] == {"pointer": "/headers", "detail": f"`headers` {last}"}


def test_a_partial_batch_names_a_thousand_faults_and_counts_the_others(owner: Customer) -> None:
    faulty = owner.email(to=["bob"] * 99)
    emails = [owner.email(), *[faulty] * 30, owner.email(to="bob")]
    body = owner.http.post("/v1/emails/batch", json={"mode": "partial", "emails": emails}).json()
    assert [len(one["errors"]) for one in body["errors"]] == [99] * 11 + [1] * 20
    assert body["errors"][11]["errors"] == [
        {"pointer": "/emails/12", "detail": "the email has 99 faults, and those before it have enough to name them"}
    ]
    assert body["errors"][-1]["errors"][0]["pointer"] == "/emails/31/to"
    assert len(body["data"]) == 1


def test_what_the_defaults_give_each_email_is_counted_with_each(owner: Customer) -> None:
    defaults = owner.email(html="x" * 1_000_000)
    answer = owner.http.post("/v1/emails/batch", json={"defaults": defaults, "emails": [{}] * 400})
    assert (answer.status_code, answer.json()["name"]) == (413, "message_too_large")
    assert "256 MB" in answer.json()["message"]
    assert owner.http.get("/v1/emails").json()["data"] == []


def test_a_request_without_mail_may_not_be_as_large_as_mail(owner: Customer) -> None:
    answer = owner.http.post("/v1/suppressions/batch/add", json={"emails": ["ada@example.net"] * 200_000})
    assert (answer.status_code, answer.json()["name"]) == (413, "message_too_large")
    answer = owner.http.post("/v1/suppressions/batch/add", json={"emails": [1] * 200_000})
    assert (answer.status_code, "1000 items or fewer" in answer.text) == (422, True)


_MANY = MAX_VALUES + 10
BODIES: list[tuple[str, Callable[[], bytes], bool]] = [
    ("a million numbers", lambda: b"[" + b"1," * _MANY + b'""]', False),
    ("a million objects", lambda: b"[" + b"{}," * (_MANY // 2) + b"1]", False),
    ("objects in objects", lambda: b"[" + b'{"a":' * _MANY, False),
    ("a million texts", lambda: b"[" + b'"a",' * _MANY + b"1]", False),
    ("texts without an end", lambda: b'"a"' * (2 * _MANY) + b"," * _MANY, False),
    ("commas in a text", lambda: orjson.dumps({"html": 'a,"{[\\' * _MANY}), True),
    ("the bytes of a file", lambda: b'{"attachments":[{"content":[' + b"1, " * _MANY + b"1]}]}", True),
    ("quotes that are never closed", lambda: b'{"a":"' + b'\\"' * _MANY + b",{[" * _MANY, True),
]


@pytest.mark.parametrize(("body", "passes"), [one[1:] for one in BODIES], ids=[one[0] for one in BODIES])
def test_values_are_counted_before_any_is_made(body: Callable[[], bytes], passes: bool) -> None:
    raw = body()
    started_at = time.process_time()
    try:
        check_values(raw)
    except ValidationFailed:
        assert not passes
    else:
        assert passes
    assert time.process_time() - started_at < 3
