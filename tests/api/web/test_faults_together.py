"""Faults of different kinds in one body, of shape, value and reference: all are told at once, and nothing is stored."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.web.conftest import Customer

UNKNOWN_DOMAIN = "dom_06b1n4i2s7vt9a8q3c5e0g2k4o"
AN_EMAIL = "em_06b1n4i2s7vt9a8q3c5e0g2k4o"
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
    ("domains", {"name": "no.domain.such as this"}, {"/name"}),
    ("suppressions", {"email": "nobody"}, {"/email"}),
    ("suppressions/batch/add", {"emails": ["nobody", "ada@example.net", "a b@x.example"]}, {"/emails/0", "/emails/2"}),
    ("suppressions/batch/add", {"emails": []}, {"/emails"}),
    ("suppressions/batch/add", {"emails": ["a@x.example"] * 1001}, {"/emails"}),
    ("suppressions/batch/remove", {"ids": ["x"] * 1001, "emails": 7}, {"/ids", "/emails"}),
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


QUERIES: list[tuple[str, set[str]]] = [
    ("emails?limit=0&after=dom_1&status=lost&since=soon&to=bob&x=", {"limit", "after", "status", "since", "to", "x"}),
    (f"emails?limit=101&after={AN_EMAIL}&before={AN_EMAIL}&subject={'x' * 201}", {"limit", "before", "subject"}),
    ("domains?limit=ten&after=x&before=y&z=", {"limit", "after", "before", "z"}),
    (f"domains?after={AN_EMAIL}", {"after"}),
    ("suppressions?limit=1.5&origin=spite", {"limit", "origin"}),
    ("mailboxes?deleted=perhaps&limit=99999999999999999999999", {"deleted", "limit"}),
    ("usage/forecast", {"emails"}),
    ("usage/forecast?emails=0", {"emails"}),
    ("emails/receiving?limit=&after=x", {"limit", "after"}),
    (f"webhooks?limit=0&after={AN_EMAIL}", {"limit", "after"}),
    ("emails?since=2026-11-02&until=2026-11-01&tag=a:", {"until", "tag"}),
    ("emails?tag=:b&since=2026-11-02&until=2026-11-02&from=x", {"tag", "until", "from"}),
]


def told(answer: Any) -> set[str]:
    assert (answer.status_code, answer.json()["name"]) == (422, "validation_error"), answer.text
    for one in answer.json()["errors"]:
        assert one["pointer"].split("/")[1] in one["detail"], one
        assert one["detail"] in answer.json()["message"] or "more" in answer.json()["message"]
    assert "should" not in answer.text
    places = [one["pointer"] for one in answer.json()["errors"]]
    assert len(places) == len(set(places)), places
    return set(places)


def test_a_query_names_all_its_faults_in_our_words(owner: Customer) -> None:
    for query, names in QUERIES:
        assert told(owner.http.get(f"/v1/{query}")) == {f"/{name}" for name in names}, query


@pytest.mark.parametrize(("noun", "body", "pointers"), CREATED)
def test_what_is_made_names_all_its_faults(
    owner: Customer, noun: str, body: dict[str, Any], pointers: set[str]
) -> None:
    listed = f"/v1/{noun.removesuffix('/batch/add').removesuffix('/batch/remove')}"
    before = owner.http.get(listed).json()["data"]
    assert told(owner.http.post(f"/v1/{noun}", json=body)) == pointers
    assert owner.http.get(listed).json()["data"] == before


def test_an_attachment_names_all_its_faults(owner: Customer) -> None:
    files = [
        {
            "filename": "a\0",
            "content": "#",
            "content_type": "x",
            "content_id": "a b",
            "inline_content_id": "<>",
            "y": 1,
        },
        {"filename": "a\0", "path": "http://a.example/"},
        {"content_type": "x"},
    ]
    assert told(owner.send(attachments=files)) == {
        *(f"/attachments/0/{name}" for name in ("filename", "content", "content_type", "content_id", "y")),
        *(f"/attachments/1/{name}" for name in ("filename", "path")),
        *(f"/attachments/2/{name}" for name in ("content", "content_type")),
    }


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
    for query, names in (
        ("/messages?limit=0&after=x&thread=y&since=2026-01-01", {"limit", "after", "thread", "since"}),
        ("/messages?since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", {"until"}),
        ("/folders/inbox/messages?after=1&before=2&unseen=?&until=soon", {"before", "unseen", "until"}),
    ):
        assert told(owner.http.get(mailbox + query)) == {f"/{name}" for name in names}
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
