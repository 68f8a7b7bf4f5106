"""POST /v1/emails: what is accepted, and how the answer looks."""

from __future__ import annotations

import base64
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from hourpost.credentials.changes import NewCredential
from hourpost.database import Database
from tests.api.web.conftest import Customer, NewCustomer


def test_a_good_email_is_answered_as_the_contract_says(owner: Customer) -> None:
    answer = owner.send()
    body = answer.json()
    assert answer.status_code == 202
    assert re.fullmatch(r"em_[a-v0-9]{26}", body["id"])
    assert answer.headers["location"] == f"/v1/emails/{body['id']}"
    assert answer.headers["ratelimit-policy"] == '"plan";q=1000;w=3600'
    assert re.fullmatch(r'"plan";r=999;t=\d+', answer.headers["ratelimit"])
    assert answer.headers["ratelimit-limit"] == "1000"
    assert answer.headers["ratelimit-remaining"] == "999"
    assert answer.headers["ratelimit-reset"].isdecimal()
    assert answer.headers["idempotency-replayed"] == "false"
    assert answer.headers["content-type"] == "application/json"
    assert body["object"] == "email"
    assert body["status"] == "queued"
    assert body["message_id"] == f"<{body['id']}@{owner.domain.name}>"
    assert body["recipients"] == [{"id": f"dl_{body['id'][3:]}00", "address": "ada@example.net", "status": "queued"}]
    assert body["pacing"]["held_by"] is None
    assert body["plan"] == {
        "name": "path",
        "limit": 1000,
        "window_seconds": 3600,
        "used": 1,
        "remaining": 999,
        "held": 0,
    }


def test_the_content_is_kept_byte_for_byte_and_can_be_read_back(owner: Customer) -> None:
    sent = owner.send(
        html="<p>Grüße</p>",
        cc="Bob <bob@example.org>",
        bcc=["eve@example.org"],
        reply_to="help@acme.test",
        headers={"X-Entity": "7"},
        tags=[{"name": "kind", "value": "receipt"}],
        metadata={"order": 7},
        attachments=[{"filename": "a.txt", "content": base64.b64encode(b"hi").decode(), "content_type": "text/plain"}],
    ).json()
    raw = owner.http.get(f"/v1/emails/{sent['id']}/raw")
    got = owner.http.get(f"/v1/emails/{sent['id']}").json()
    assert raw.headers["content-type"] == "message/rfc822"
    assert f"Message-ID: {sent['message_id']}\r\n".encode() in raw.content
    assert b"eve@example.org" not in raw.content
    assert [one["address"] for one in got["recipients"]] == ["ada@example.net", "bob@example.org", "eve@example.org"]
    assert (got["text"].rstrip(), got["html"].rstrip()) == ("Hello, Ada.", "<p>Grüße</p>")
    assert got["cc"] == ["Bob <bob@example.org>"]
    assert got["tags"] == [{"name": "kind", "value": "receipt"}]
    assert got["metadata"] == {"order": 7}
    (attachment,) = got["attachments"]
    described = [attachment[field] for field in ("filename", "content_type", "content_disposition", "size_bytes")]
    assert described == ["a.txt", "text/plain", "attachment", 2]


def test_attachments_may_be_lists_of_bytes_and_types_may_have_a_charset(owner: Customer) -> None:
    sent = owner.send(
        attachments=[{"filename": "a.txt", "content": [104, 105], "content_type": "text/plain; charset=utf-8"}]
    )
    assert sent.status_code == 202
    assert owner.http.get(f"/v1/emails/{sent.json()['id']}").json()["attachments"][0]["size_bytes"] == 2


def test_headers_that_speak_to_us_are_understood_and_do_not_travel(owner: Customer) -> None:
    told = {
        "X-Tags": '["a", "kind=receipt"]',  # Anymail's way
        "x-tag": "vip",
        "X-Metadata": '{"order": 7}',
        "X-Scheduled-At": "in 2 hours",
        "X-Expires-At": "in 3 hours",
        "X-On-Limit": "Reject",
    }
    sent = owner.send(headers={"X-Entity": "7"} | told, tags=[{"name": "kind", "value": "receipt"}]).json()
    got = owner.http.get(f"/v1/emails/{sent['id']}").json()
    raw = owner.http.get(f"/v1/emails/{sent['id']}/raw").text
    assert [(tag["name"], tag["value"]) for tag in got["tags"]] == [("kind", "receipt"), ("tag", "vip"), ("tag", "a")]
    assert (got["metadata"], got["status"]) == ({"order": 7}, "scheduled")
    assert got["scheduled_at"] < got["expires_at"]
    assert re.findall(r"(?im)^x-.*", raw) == ["X-Entity: 7\r"]


async def test_a_header_may_say_that_a_full_hour_refuses(new_customer: NewCustomer) -> None:
    owner = await new_customer(plan=None)
    assert owner.send(headers={"X-On-Limit": "reject"}).json()["name"] == owner.send(on_limit="reject").json()["name"]


def test_a_recipient_named_twice_gets_one_delivery(owner: Customer) -> None:
    body = owner.send(to=["bob@example.net", "Ada <Ada@example.net>", "ada@Example.Net"], bcc="ADA@example.net").json()
    assert [one["address"] for one in body["recipients"]] == ["bob@example.net", "Ada@example.net"]


def test_an_empty_text_is_no_address(owner: Customer) -> None:
    sent = owner.send(cc="", bcc="", reply_to="").json()
    got = owner.http.get(f"/v1/emails/{sent['id']}").json()
    assert (got["cc"], got["bcc"], got["reply_to"], len(got["recipients"])) == ([], [], [], 1)
    assert owner.send(to="").json()["errors"] == [
        {"pointer": "/to", "detail": "`to` must hold at least one address"},
    ]


def test_two_different_keys_are_refused(owner: Customer) -> None:
    answer = owner.http.post(
        "/v1/emails", json=owner.email(), headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    )
    assert (answer.status_code, answer.json()["name"]) == (400, "invalid_idempotency_key")


def test_the_same_key_and_body_are_answered_again_and_cost_nothing(owner: Customer) -> None:
    body, headers = owner.email(), {"Idempotency-Key": "order-7"}
    first = owner.http.post("/v1/emails", json=body, headers=headers)
    again = owner.http.post("/v1/emails", json=body, headers=headers)
    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["ratelimit-remaining"] == "999"


def test_the_same_key_with_another_body_is_a_conflict(owner: Customer) -> None:
    headers = {"Idempotency-Key": "order-7"}
    owner.http.post("/v1/emails", json=owner.email(), headers=headers)
    answer = owner.http.post("/v1/emails", json=owner.email(subject="Other"), headers=headers)
    assert (answer.status_code, answer.json()["name"]) == (409, "invalid_idempotent_request")


def test_keys_of_no_length_and_of_257_characters_are_refused(owner: Customer) -> None:
    for key in ("", "k" * 257):
        answer = owner.http.post("/v1/emails", json=owner.email(), headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["name"]) == (400, "invalid_idempotency_key")


def test_what_is_scheduled_says_so_and_takes_no_room(owner: Customer) -> None:
    body = owner.send(scheduled_at="in 2 hours").json()
    assert (body["status"], body["pacing"]["held_by"]) == ("scheduled", "schedule")
    assert owner.http.get("/v1/usage").json()["used"] == 0


async def test_what_finds_no_room_is_held_with_an_estimate(new_customer: NewCustomer, database: object) -> None:
    owner = await new_customer()
    emails = [owner.email() for _ in range(1000)]
    assert owner.http.post("/v1/emails/batch", json=emails).status_code == 202
    body = owner.send().json()
    assert (body["status"], body["pacing"]["held_by"]) == ("held", "plan")
    assert body["pacing"]["estimated_send_at"] is not None
    assert (body["plan"]["remaining"], body["plan"]["held"]) == (0, 1)


async def test_what_expires_before_the_hour_has_room_is_taken_and_told(new_customer: NewCustomer) -> None:
    owner = await new_customer()
    assert "warnings" not in owner.send(expires_at="in 10 minutes").json()
    owner.http.post("/v1/emails/batch", json=[owner.email() for _ in range(999)])
    late = owner.email(expires_at="in 10 minutes")
    headers = {"Idempotency-Key": "late"}
    for body in (owner.http.post("/v1/emails", json=late, headers=headers).json() for _ in range(2)):
        (warning,) = body["warnings"]
        assert warning["pointer"] == "/expires_at"
        assert body["pacing"]["estimated_send_at"][:16] in warning["detail"]
    assert "warnings" not in owner.send(expires_at="in 3 hours").json()
    batch = owner.http.post("/v1/emails/batch", json=[owner.email(), late]).json()
    assert [one["id"] for one in batch["warnings"]] == [batch["data"][1]["id"]]


async def test_what_may_not_wait_is_refused_with_the_time_to_come_back(new_customer: NewCustomer) -> None:
    owner = await new_customer()
    owner.http.post("/v1/emails/batch", json=[owner.email() for _ in range(1000)])
    answer = owner.send(on_limit="reject")
    assert (answer.status_code, answer.json()["name"]) == (429, "rate_limit_exceeded")
    assert answer.json()["limit"] == "plan"
    assert 3500 < int(answer.headers["retry-after"]) <= 3611
    assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("1000", "0")
    assert 3500 < int(answer.headers["ratelimit-reset"]) <= 3611
    assert answer.headers["ratelimit-policy"] == '"plan";q=1000;w=3600'


async def test_a_refusal_says_what_little_room_there_is(new_customer: NewCustomer) -> None:
    owner = await new_customer()
    owner.http.post("/v1/emails/batch", json=[owner.email() for _ in range(998)])
    three = owner.send(on_limit="reject", to=[f"{name}@example.net" for name in "abc"])
    assert (three.status_code, three.headers["ratelimit-remaining"]) == (429, "2")


async def test_the_usage_resets_when_the_last_token_is_back_and_the_header_says_when_the_next_is(
    owner: Customer, database: Database
) -> None:
    spend = text("INSERT INTO spends (account_id, spent_at, count) VALUES (:account, now() - interval '30 minutes', 1)")
    async with database.transaction() as connection:
        await connection.execute(spend, {"account": owner.account.id})
    owner.send()
    usage = owner.http.get("/v1/usage")
    left = datetime.fromisoformat(usage.json()["resets_at"]) - datetime.now(UTC)
    assert int(usage.headers["RateLimit-Reset"]) <= 1800 < left.total_seconds()


def test_what_takes_nothing_of_the_hour_is_told_of_it_all_the_same(owner: Customer) -> None:
    owner.send()
    owner.http.post("/v1/suppressions", json={"email": "gone@example.net"})
    for later in (owner.send(scheduled_at="in 1 day"), owner.send(to="gone@example.net")):
        assert (later.json()["plan"]["used"], later.headers["ratelimit-remaining"]) == (1, "999")


async def test_test_mode_counts_nothing(new_customer: NewCustomer) -> None:
    owner = await new_customer(plan=None, credential=NewCredential("test", test=True))
    answer = owner.send()
    assert answer.status_code == 202
    assert "ratelimit" not in answer.headers
    assert answer.json()["plan"]["used"] is None


async def test_a_live_key_without_a_plan_sends_nothing(new_customer: NewCustomer) -> None:
    answer = (await new_customer(plan=None)).send()
    assert (answer.status_code, answer.json()["name"]) == (403, "restricted_api_key")


def test_forty_megabytes_are_taken_and_forty_one_are_not(owner: Customer) -> None:
    def attached(megabytes: float) -> list[dict[str, str]]:
        content = base64.b64encode(bytes(int(megabytes * 1024 * 1024))).decode()
        return [{"filename": "a.bin", "content": content}]

    assert owner.send(attachments=attached(29)).status_code == 202
    refused = owner.send(attachments=attached(41))
    assert (refused.status_code, refused.json()["name"]) == (413, "message_too_large")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/attachments"]


@pytest.mark.parametrize("path", ["/v1/emails", "/v1/emails/batch"])
def test_others_are_answered_while_a_large_email_is_read(
    owner: Customer, stranger: Customer, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "sending" if path == "/v1/emails" else "batch_reading"
    is_reading, may_end = threading.Event(), threading.Event()

    def parse_slowly(raw: bytes) -> Any:
        is_reading.set()
        assert may_end.wait(20)
        return orjson.loads(raw)

    monkeypatch.setattr(f"api.web.v1.{module}.parse_json", parse_slowly)
    content = base64.b64encode(os.urandom(300_000)).decode()
    email = owner.email(attachments=[{"filename": "a.bin", "content": content}])
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(owner.http.post, path, json=email if module == "sending" else [email])
        assert is_reading.wait(20)
        assert stranger.http.get("/v1/usage").status_code == 200
        may_end.set()
        assert sent.result(20).status_code == 202


@pytest.mark.parametrize("at", [1_200_000, 2_097_151, 2_500_000])
def test_a_large_file_of_broken_base64_is_refused_wherever_it_is_broken(owner: Customer, at: int) -> None:
    whole = base64.b64encode(bytes(2_000_000)).decode()
    for bad in ("#", "=", "\u00e9"):
        broken = whole[:at] + bad + whole[at + 1 :]
        answer = owner.send(attachments=[{"filename": "a", "content": broken}])
        assert answer.status_code == 422, bad
        assert answer.json()["errors"][0]["pointer"] == "/attachments/0/content"


def test_a_large_file_arrives_as_it_was(owner: Customer) -> None:
    data = os.urandom(3_000_001)
    sent = owner.send(attachments=[{"filename": "a.bin", "content": base64.b64encode(data).decode()}]).json()["id"]
    raw = owner.http.get(f"/v1/emails/{sent}/raw").content
    (file,) = message_from_bytes(raw, policy=policy.SMTP).iter_attachments()
    assert file.get_content() == data
    assert max(map(len, raw.split(b"\r\n"))) <= 78
