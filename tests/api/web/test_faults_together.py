"""Faults of different kinds in one body, of shape, value and reference: all are told at once, and nothing is stored."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.web.conftest import Customer

UNKNOWN_DOMAIN = "dom_06b1n4i2s7vt9a8q3c5e0g2k4o"
ELSEWHERE = "ada@elsewhere.example"

CREATED: list[tuple[str, dict[str, Any], set[str]]] = [
    (
        "api-keys",
        {"name": "", "domain_id": UNKNOWN_DOMAIN, "expires_at": "2020-01-01T00:00:00Z", "test": "perhaps", "x": 1},
        {"/name", "/domain_id", "/expires_at", "/test", "/x"},
    ),
    (
        "api-keys",
        {"name": 7, "domain_id": "nonsense", "expires_at": "soon", "scope": "all"},
        {"/name", "/domain_id", "/expires_at", "/scope"},
    ),
    (
        "smtp-credentials",
        {"name": "a\nb", "domain_id": UNKNOWN_DOMAIN, "scope": "reading", "files_sent": "no idea"},
        {"/name", "/domain_id", "/scope", "/files_sent"},
    ),
    ("domains", {"name": "no domain", "signs_ed25519": "x", "y": 1}, {"/name", "/signs_ed25519", "/y"}),
    ("webhooks", {"endpoint": "ftp://x", "events": ["email.sent", 7]}, {"/endpoint", "/events/1"}),
    ("webhooks", {"events": ["email.lost"], "z": 1}, {"/endpoint", "/events/0", "/z"}),
    ("inbound/routes", {"pattern": ELSEWHERE, "url": "ftp://x"}, {"/pattern", "/url"}),
    ("inbound/routes", {"pattern": ELSEWHERE, "url": 7}, {"/pattern", "/url"}),
    (
        "mailboxes",
        {"address": ELSEWHERE, "password": "short", "quota_bytes": 0, "aliases": ["x"], "catch_all": "?"},
        {"/address", "/password", "/quota_bytes", "/aliases/0", "/catch_all"},
    ),
    (
        "mailboxes",
        {"address": "\0", "name": "\0", "aliases": [ELSEWHERE]},
        {"/address", "/name", "/aliases/0", "/password"},
    ),
]
INSIDE: list[tuple[str, str, dict[str, Any], set[str]]] = [
    (
        "PATCH",
        "",
        {"password": "x", "forward_to": ["bob"], "quota_bytes": "?"},
        {"/password", "/forward_to/0", "/quota_bytes"},
    ),
    ("POST", "/app-passwords", {"name": "", "scopes": ["web"], "x": 1}, {"/name", "/scopes", "/x"}),
    ("POST", "/folders/inbox/messages/move", {"uids": [], "to": "nowhere"}, {"/uids", "/to"}),
    ("POST", "/folders/inbox/messages/flags", {"uids": [0], "add": ["two words"]}, {"/uids/0", "/add/0"}),
    ("PATCH", "/folders/inbox", {"name": "\0", "subscribed": "?"}, {"/name", "/subscribed"}),
    (
        "POST",
        "/send",
        {"answers": {"folder": "inbox", "uid": 9}, "draft": 9, "from": ELSEWHERE, "cc": "bob", "text": "Hi"},
        {"/answers", "/draft", "/from", "/cc"},
    ),
    ("POST", "/drafts", {"answers": {"folder": "inbox"}, "draft": 9, "to": "bob"}, {"/answers/uid", "/draft", "/to"}),
]


def told(answer: Any) -> set[str]:
    assert (answer.status_code, answer.json()["name"]) == (422, "validation_error"), answer.text
    places = [one["pointer"] for one in answer.json()["errors"]]
    assert len(places) == len(set(places)), places
    return set(places)


@pytest.mark.parametrize(("noun", "body", "pointers"), CREATED)
def test_what_is_made_names_all_its_faults(
    owner: Customer, noun: str, body: dict[str, Any], pointers: set[str]
) -> None:
    before = owner.http.get(f"/v1/{noun}").json()["data"]
    assert told(owner.http.post(f"/v1/{noun}", json=body)) == pointers
    assert owner.http.get(f"/v1/{noun}").json()["data"] == before


def test_what_is_changed_names_all_its_faults(owner: Customer) -> None:
    hook = {"endpoint": "https://acme.example/", "events": ["email.sent"]}
    for noun, made, change, pointers in (
        ("webhooks", hook, {"endpoint": "x", "events": [], "status": "off"}, {"/endpoint", "/events", "/status"}),
        ("api-keys", {"name": "k"}, {"name": " ", "files_sent": 3}, {"/name", "/files_sent"}),
    ):
        place = f"/v1/{noun}/{owner.http.post(f'/v1/{noun}', json=made).json()['id']}"
        assert told(owner.http.patch(place, json=change)) == pointers


@pytest.fixture
def mailbox(owner: Customer) -> str:
    address = f"ada@{owner.domain.name}"
    assert owner.http.post("/v1/mailboxes", json={"address": address, "password": "a long password"}).status_code == 201
    return f"/v1/mailboxes/{address}"


def test_what_is_done_in_a_mailbox_names_all_its_faults(owner: Customer, mailbox: str) -> None:
    for method, place, body, pointers in INSIDE:
        assert told(owner.http.request(method, mailbox + place, json=body)) == pointers, place


def test_a_domain_of_others_alone_is_forbidden(owner: Customer) -> None:
    for noun, body, place in (
        ("mailboxes", {"address": ELSEWHERE, "password": "a long password"}, "/address"),
        ("inbound/routes", {"pattern": ELSEWHERE, "url": "https://acme.example/in"}, "/pattern"),
    ):
        answer = owner.http.post(f"/v1/{noun}", json=body)
        assert (answer.status_code, answer.json()["name"]) == (403, "domain_not_verified")
        assert [one["pointer"] for one in answer.json()["errors"]] == [place]
