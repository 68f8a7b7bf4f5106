"""POST /v1/emails/batch: strict and partial, arrays and objects, up to a thousand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.web.bodies import MAX_BODY_BYTES
from api.web.v1.batch_reading import _Opened
from hourpost.accounts.changes import set_plan
from hourpost.database import Database
from tests.api.web.conftest import Customer


def test_an_array_is_stored_in_order(owner: Customer) -> None:
    answer = owner.http.post("/v1/emails/batch", json=[owner.email(subject=str(n)) for n in range(3)])
    assert answer.status_code == 202
    body = answer.json()
    assert "errors" not in body
    assert [owner.http.get(f"/v1/emails/{one['id']}").json()["subject"] for one in body["data"]] == ["0", "1", "2"]


def test_defaults_hold_where_an_email_says_nothing_else(owner: Customer) -> None:
    batch = {
        "defaults": {"from": owner.sender, "subject": "All", "text": "Hello"},
        "emails": [{"to": "a@example.net"}, {"to": "b@example.net", "subject": "Bob"}],
    }
    ids = [one["id"] for one in owner.http.post("/v1/emails/batch", json=batch).json()["data"]]
    assert [owner.http.get(f"/v1/emails/{one}").json()["subject"] for one in ids] == ["All", "Bob"]


def test_a_strict_batch_with_a_fault_stores_nothing_and_names_all(owner: Customer) -> None:
    emails = [owner.email(), owner.email(to="bob"), owner.email(colour="red", subject=None)]
    answer = owner.http.post("/v1/emails/batch", json=emails)
    assert answer.status_code == 422
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert sorted(pointers) == ["/1/to", "/2/colour", "/2/subject"]
    answer = owner.http.post("/v1/emails/batch", json={"emails": emails})
    assert "/emails/1/to" in [error["pointer"] for error in answer.json()["errors"]]
    assert owner.http.get("/v1/emails").json()["data"] == []


def test_faults_around_the_emails_are_told_together_with_theirs(owner: Customer) -> None:
    batch = {"mode": "q", "zzz": 1, "defaults": {"to": "bob"}, "emails": [owner.email() | {"from": "x"}, {"colour": 1}]}
    answer = owner.http.post("/v1/emails/batch", json=batch)
    assert answer.status_code == 422
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers >= {"/mode", "/zzz", "/emails/0/from", "/emails/1/from", "/emails/1/colour", "/emails/1/to"}
    answer = owner.http.post("/v1/emails/batch", json={"mode": "q", "emails": []})
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/mode", "/emails"}


def test_a_strict_batch_of_strange_senders_names_all_of_them(owner: Customer, stranger: Customer) -> None:
    strange = owner.email() | {"from": stranger.sender}
    answer = owner.http.post("/v1/emails/batch", json=[strange, owner.email(), strange])
    body = answer.json()
    assert (answer.status_code, body["name"]) == (403, "domain_not_verified")
    assert [error["pointer"] for error in body["errors"]] == ["/0/from", "/2/from"]


def test_the_message_alone_says_which_emails_of_a_batch_are_faulty_and_how_many(owner: Customer) -> None:
    faulty = owner.email(to="bob")
    answer = owner.http.post("/v1/emails/batch", json=[owner.email(), *[faulty] * 5])
    assert answer.json()["message"].startswith("emails[1]: `to`: 'bob' is not")
    assert answer.json()["message"].endswith("; and 2 more")


def test_a_partial_batch_stores_the_good_and_tells_of_the_others(owner: Customer, stranger: Customer) -> None:
    emails = [owner.email(to="bob"), owner.email(), owner.email() | {"from": stranger.sender}]
    body = owner.http.post("/v1/emails/batch", json={"emails": emails, "mode": "partial"}).json()
    assert len(body["data"]) == 1
    assert [(one["index"], one["name"]) for one in body["errors"]] == [
        (0, "validation_error"),
        (2, "domain_not_verified"),
    ]
    assert body["errors"][0]["errors"][0]["pointer"] == "/emails/0/to"


def test_the_header_of_other_clients_asks_for_partial_too(owner: Customer) -> None:
    emails = [owner.email(), owner.email(to="bob")]
    headers = {"x-batch-validation": "permissive"}
    body = owner.http.post("/emails/batch", json=emails, headers=headers).json()
    assert (len(body["data"]), [one["index"] for one in body["errors"]]) == (1, [1])


def test_another_word_in_that_header_is_refused(owner: Customer) -> None:
    answer = owner.http.post("/emails/batch", json=[owner.email()], headers={"x-batch-validation": "lenient"})
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/x-batch-validation"]


def test_a_partial_batch_without_one_good_email_is_a_failure(owner: Customer) -> None:
    answer = owner.http.post("/v1/emails/batch", json={"emails": [owner.email(to="bob")], "mode": "partial"})
    assert answer.status_code == 422


def test_a_thousand_are_taken_and_no_more_and_no_fewer_than_one(owner: Customer) -> None:
    file = {"filename": "a.txt", "content": "aGk="}
    emails = [owner.email(attachments=[file]) for _ in range(1001)]
    for too in (emails, []):
        answer = owner.http.post("/v1/emails/batch", json=too)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "")
    answer = owner.http.post("/v1/emails/batch", json=emails[:1000])
    assert answer.status_code == 202
    assert len({one["id"] for one in answer.json()["data"]}) == 1000
    assert answer.headers["ratelimit-remaining"] == "0"


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"html": "x" * 500, "text": None}, 500),
        ({"to": ["ada@example.net"] * 5}, 5),
        ({"attachments": [{"filename": "ab", "content": "x" * 100}]}, 103),
        ({"attachments": [{"filename": "ab", "content": [7] * 100}]}, 103),
    ],
)
def test_what_is_read_beside_the_others_is_counted_in_texts_and_in_lists(fields: dict[str, Any], size: int) -> None:
    assert _Opened("", [fields, "no email"], None, ()).size_of(0) == size
    assert _Opened("", [{}, {}], None, (), fields).size_of(0) == 2 * size


def test_a_repeated_batch_gives_the_same_ids_and_errors(owner: Customer) -> None:
    batch = {"emails": [owner.email(), owner.email(to="bob")], "mode": "partial"}
    headers = {"Idempotency-Key": "batch"}
    first, again = (owner.http.post("/v1/emails/batch", json=batch, headers=headers) for _ in range(2))
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()


async def test_each_email_says_whether_it_is_held_and_until_when_also_when_it_is_asked_again(
    owner: Customer, database: Database
) -> None:
    async with database.transaction() as connection:
        await set_plan(connection, owner.account.id, "path", 2)
    two = ["ada@example.net", "bob@example.net"]
    later = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"
    batch = [owner.email(), owner.email(to=two), owner.email(to=two), owner.email(scheduled_at=later)]
    headers = {"Idempotency-Key": "held"}
    first, again = (owner.http.post("/v1/emails/batch", json=batch, headers=headers).json()["data"] for _ in range(2))
    assert [(one["status"], one["pacing"]["held_by"]) for one in first] == [
        ("queued", None),
        ("held", "plan"),
        ("held", "plan"),
        ("scheduled", "schedule"),
    ]
    for one in (first, again):
        times = [email["pacing"]["estimated_send_at"] for email in one]
        assert times == sorted(times)
        assert (times[3], len(set(times))) == (later, 4)
    assert [(one["id"], one["status"]) for one in again] == [(one["id"], one["status"]) for one in first]
    single = owner.send(to=two).json()["pacing"]
    assert again[2]["pacing"]["estimated_send_at"] < single["estimated_send_at"]


def test_a_body_that_is_no_batch_is_told_so(owner: Customer) -> None:
    for body, pointer in (({"mode": "strict"}, "/emails"), ({"emails": [], "x": 1}, "/x"), ("a", ""), ([1], "/0")):
        answer = owner.http.post("/v1/emails/batch", json=body)
        assert pointer in [error["pointer"] for error in answer.json()["errors"]], body


def test_what_is_no_email_is_told_where_it_stands(owner: Customer) -> None:
    answer = owner.http.post("/v1/emails/batch", json=[owner.email(), 5])
    assert (answer.status_code, answer.json()["message"]) == (422, "emails[1]: the email must be an object")


def test_the_document_says_how_large_a_whole_batch_may_be(owner: Customer) -> None:
    described = owner.http.get("/openapi.json").json()["paths"]["/v1/emails/batch"]["post"]["description"]
    assert f"at most {MAX_BODY_BYTES // 1024 // 1024} MB" in described


async def test_more_recipients_than_the_hour_are_shown_where_they_stand(owner: Customer, database: Database) -> None:
    async with database.transaction() as connection:
        await set_plan(connection, owner.account.id, "path", 1)
    large, good = owner.email(to=["a@example.net", "b@example.net"]), owner.email()
    cases = {
        "/v1/emails": (large, ["/to"]),
        "/v1/emails/batch": ([good, large, large], ["/1/to", "/2/to"]),
        "/emails/batch": ({"emails": [large]}, ["/emails/0/to"]),
    }
    for path, (body, pointers) in cases.items():
        answer = owner.http.post(path, json=body)
        assert answer.status_code == 422, path
        assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    partial = {"mode": "partial", "emails": [owner.email(to="bob"), large]}
    answer = owner.http.post("/v1/emails/batch", json=partial)
    assert answer.json()["errors"][0]["pointer"] == "/emails/1/to"
    impatient = {"emails": [good, good | {"on_limit": "reject"}, good | {"on_limit": "reject"}]}
    answer = owner.http.post("/v1/emails/batch", json=impatient)
    assert answer.json()["errors"][0]["pointer"] == "/emails/1/on_limit"


async def test_a_batch_that_can_never_wait_is_not_told_to_come_back(owner: Customer, database: Database) -> None:
    async with database.transaction() as connection:
        await set_plan(connection, owner.account.id, "path", 1)
    later = owner.email(scheduled_at="in 1 hour")
    never = {"emails": [*[owner.email()] * 26, later]}
    answer = owner.http.post("/v1/emails/batch", json=never)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/emails")
    assert owner.http.post("/v1/emails/batch", json={"emails": never["emails"][1:]}).status_code == 202
    full = owner.http.post("/v1/emails/batch", json=[owner.email()] * 2)
    assert (full.status_code, full.json()["limit"]) == (429, "backlog")


async def test_of_a_partial_batch_only_what_does_not_wait_is_refused_when_the_hour_is_full(
    owner: Customer, database: Database
) -> None:
    async with database.transaction() as connection:
        await set_plan(connection, owner.account.id, "path", 3)
    email = owner.email()
    assert owner.http.post("/v1/emails/batch", json=[email, email]).status_code == 202
    impatient = email | {"on_limit": "reject"}
    emails = [email, impatient, email, owner.email(to="bob"), impatient]
    headers = {"x-batch-validation": "permissive", "Idempotency-Key": "mixed"}
    first, again = (owner.http.post("/emails/batch", json=emails, headers=headers) for _ in range(2))
    assert (first.status_code, again.json()) == (202, first.json())
    body = first.json()
    told = [(one["index"], one["statusCode"], one["name"]) for one in body["errors"]]
    assert told == [(3, 422, "validation_error"), (4, 429, "rate_limit_exceeded")]
    states = [owner.http.get(f"/v1/emails/{one['id']}").json()["recipients"][0]["status"] for one in body["data"]]
    assert sorted(states) == ["held", "held", "queued"]
    assert owner.http.post("/emails/batch", json=emails).status_code == 422
    answer = owner.http.post("/emails/batch", json=[impatient], headers={"x-batch-validation": "permissive"})
    assert (answer.status_code, answer.json()["name"]) == (429, "rate_limit_exceeded")


async def test_of_a_partial_batch_only_what_has_more_recipients_than_the_hour_is_refused(
    owner: Customer, database: Database
) -> None:
    async with database.transaction() as connection:
        await set_plan(connection, owner.account.id, "path", 1)
    large = owner.email(to=["a@example.net", "b@example.net"])
    answer = owner.http.post("/v1/emails/batch", json={"mode": "partial", "emails": [large, owner.email()]})
    assert [(one["index"], one["errors"][0]["pointer"]) for one in answer.json()["errors"]] == [(0, "/emails/0/to")]
    assert len(answer.json()["data"]) == 1
