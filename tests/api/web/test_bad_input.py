"""Bad input: named by field, all faults at once, and nothing stored."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.web.conftest import Customer

CASES: list[tuple[str, dict[str, Any], str]] = [
    ("an address without @", {"to": "ada"}, "/to"),
    ("one bad address of two", {"to": ["ada@example.net", "bob"]}, "/to/1"),
    ("an address of the wrong type", {"to": ["ada@example.net", 3]}, "/to/1"),
    ("addresses that are an object", {"cc": {"a": 1}}, "/cc"),
    ("no recipients", {"to": []}, "/to"),
    ("51 recipients", {"to": [f"a{n}@example.net" for n in range(30)], "bcc": ["b@example.net"] * 21}, "/to"),
    ("a line break in the subject", {"subject": "Hi\r\nBcc: eve@example.net"}, "/subject"),
    ("a line break in an encoded word", {"subject": "=?utf-8?q?=0A?=Bcc: eve@example.net"}, "/subject"),
    ("a line break in a name", {"to": '"A\nBcc: x" <ada@example.net>'}, "/to"),
    ("a line break in a header", {"headers": {"X-A": "a\r\nBcc: eve@example.net"}}, "/headers/X-A"),
    ("a line break in a header's name", {"headers": {"X-A\r\nBcc": "a"}}, "/headers/X-A\r\nBcc"),
    ("a header that a field sets", {"headers": {"Bcc": "eve@example.net"}}, "/headers/Bcc"),
    ("a header of the request", {"headers": {"Idempotency-Key": "k"}}, "/headers/Idempotency-Key"),
    ("labels that are no JSON", {"headers": {"x-metadata": "{", "X-A": "1"}}, "/headers/x-metadata"),
    ("a word that is no moment", {"headers": {"X-Scheduled-At": "soon"}}, "/headers/X-Scheduled-At"),
    ("an expiry that is past", {"headers": {"X-Expires-At": "2020-01-01T00:00:00Z"}}, "/headers/X-Expires-At"),
    ("a choice that is none", {"headers": {"X-On-Limit": "maybe"}}, "/headers/X-On-Limit"),
    ("too many labels", {"headers": {"X-Tags": ",".join(map(str, range(76)))}}, "/headers/X-Tags"),
    ("a label said twice", {"metadata": {}, "headers": {"X-Metadata": "{}"}}, "/headers/X-Metadata"),
    (
        "an expiry before its moment, by a header",
        {"expires_at": "in 1 hour", "headers": {"X-Scheduled-At": "in 2 hours"}},
        "/expires_at",
    ),
    (
        "a moment after its expiry, which a header says",
        {"scheduled_at": "in 2 hours", "headers": {"x-expires-at": "in 1 hour"}},
        "/headers/x-expires-at",
    ),
    (
        "a line break in a filename",
        {"attachments": [{"filename": "a\r\nb", "content": "aGk="}]},
        "/attachments/0/filename",
    ),
    (
        "a type that is none",
        {"attachments": [{"content_type": "a\n/b", "content": "aGk="}]},
        "/attachments/0/content_type",
    ),
    (
        "a filename that turns letters around",
        {"attachments": [{"filename": "invoice\u202egpj.exe", "content": "aGk="}]},
        "/attachments/0/filename",
    ),
    ("broken base64", {"attachments": [{"filename": "a", "content": "aGk"}]}, "/attachments/0/content"),
    ("letters outside base64", {"attachments": [{"filename": "a", "content": "a#k="}]}, "/attachments/0/content"),
    ("bytes that are none", {"attachments": [{"filename": "a", "content": [1, 256]}]}, "/attachments/0/content"),
    ("no content", {"attachments": [{"filename": "a"}]}, "/attachments/0/content"),
    ("a file from elsewhere", {"attachments": [{"path": "http://169.254.169.254/"}]}, "/attachments/0/path"),
    ("an unknown field", {"colour": "red"}, "/colour"),
    ("an unknown field inside", {"attachments": [{"content": "aGk=", "x": 1}]}, "/attachments/0/x"),
    ("a NUL in the text", {"text": "a\0b"}, "/text"),
    ("a NUL in the subject", {"subject": "a\0b"}, "/subject"),
    ("a NUL in the metadata", {"metadata": {"a": "\0"}}, "/metadata"),
    ("too much metadata", {"metadata": {"a": "x" * 17000}}, "/metadata"),
    ("a tag that is not ASCII", {"tags": [{"name": "é", "value": "x"}]}, "/tags/0/name"),
    ("a tag too long", {"tags": [{"name": "k" * 257, "value": "x"}]}, "/tags/0/name"),
    ("neither text nor html", {"text": None}, "/text"),
    ("no subject", {"subject": None}, "/subject"),
    ("no sender", {"from": None}, "/from"),
    ("a date in the past", {"scheduled_at": "2020-01-01T00:00:00Z"}, "/scheduled_at"),
    ("a date without a zone", {"scheduled_at": "2090-01-01T00:00:00"}, "/scheduled_at"),
    ("an expiry in the past", {"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
    ("an expiry before its moment", {"scheduled_at": "in 2 hours", "expires_at": "in 1 hour"}, "/expires_at"),
    ("an unknown choice", {"on_limit": "panic"}, "/on_limit"),
    ("html that is a number", {"html": 7}, "/html"),
]


@pytest.mark.parametrize(("fields", "pointer"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_fault_is_named_by_its_place(owner: Customer, fields: dict[str, Any], pointer: str) -> None:
    answer = owner.send(**fields)
    body = answer.json()
    assert (answer.status_code, body["name"]) == (422, "validation_error")
    assert [fault["pointer"] for fault in body["errors"]] == [pointer]
    assert body["message"] == body["detail"] == body["errors"][0]["detail"]
    assert pointer.split("/")[1].removesuffix("s") in body["message"]
    assert owner.http.get("/v1/emails").json()["data"] == []


@pytest.mark.parametrize("to", [[], [f"a{number}@example.net" for number in range(51)]])
def test_what_is_wrong_with_to_alone_is_told_beside_a_fault_of_cc(owner: Customer, to: list[str]) -> None:
    errors = owner.send(to=to, cc=["bad"]).json()["errors"]
    assert {error["pointer"] for error in errors} == {"/to", "/cc/0"}


def test_all_faults_are_told_at_once(owner: Customer) -> None:
    email = {
        "from": "x@elsewhere.example",
        "to": ["ada"],
        "headers": {"Bcc": "x", "X-A": "a\nb"},
        "attachments": [{"content": "#"}, {"filename": "a\0", "content": "aGk="}],
        "scheduled_at": "yesterday-ish",
        "nope": 1,
    }
    errors = owner.http.post("/v1/emails", json=email).json()["errors"]
    assert {error["pointer"] for error in errors} == {
        "/from",
        "/to/0",
        "/subject",
        "/text",
        "/headers/Bcc",
        "/headers/X-A",
        "/attachments/0/content",
        "/attachments/1/filename",
        "/scheduled_at",
        "/nope",
    }


def test_what_is_no_string_hides_no_other_fault_of_its_field(owner: Customer) -> None:
    email = {"to": ["ada", 7, "eve@"], "cc": [None], "headers": {"X-N": 7, "Bcc": "x", "X/L": ["a"], "X-A": "a\nb"}}
    faults = owner.send(**email).json()["errors"]
    assert {fault["pointer"]: fault["detail"].partition(":")[0] for fault in faults} == {
        "/to/0": "`to.0`",
        "/to/1": "`to.1` must be a string",
        "/to/2": "`to.2`",
        "/cc/0": "`cc.0` must be a string",
        "/headers/X-N": "header X-N",
        "/headers/Bcc": "header Bcc",
        "/headers/X~1L": "header X/L",
        "/headers/X-A": "header X-A",
    }
    assert owner.send(to={}, headers=7).json()["errors"] == [
        {"pointer": "/to", "detail": "`to` must be a string or a list"},
        {"pointer": "/headers", "detail": "`headers` must be an object"},
    ]


def test_a_sender_of_somebody_elses_domain_is_forbidden(owner: Customer, stranger: Customer) -> None:
    answer = owner.send(**{"from": stranger.sender})
    assert (answer.status_code, answer.json()["name"]) == (403, "domain_not_verified")
    assert answer.json()["errors"][0]["pointer"] == "/from"


def test_at_the_root_unknown_fields_are_ignored(owner: Customer) -> None:
    assert owner.http.post("/emails", json=owner.email(colour="red", audience="x")).status_code == 202


@pytest.mark.parametrize("path", ["/emails", "/v1/emails"])
def test_a_template_and_a_topic_are_refused_and_not_passed_over(owner: Customer, path: str) -> None:
    answer = owner.http.post(path, json=owner.email(template={"id": "welcome"}, topic_id="news"))
    found = (answer.status_code, {one["pointer"] for one in answer.json()["errors"]})
    assert found == (422, {"/template", "/topic_id"})
    assert "send `html` or `text`" in answer.json()["message"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"{", "not valid JSON"),
        (b'{"subject": "\xff"', "not valid UTF-8: 0xFF at byte 13"),
        (b"\x1f\x8b\x08", "compressed"),
        (b'{"metadata": {"a": NaN}}', "not valid JSON"),
        (b"[1]", "must be an object"),
        (b"null", "must be an object"),
        (b"[" * 5000, "not valid JSON"),
    ],
)
def test_what_is_no_json_object_is_said_to_be_none(owner: Customer, raw: bytes, words: str) -> None:
    answer = owner.http.post("/v1/emails", content=raw)
    assert answer.status_code == 422
    assert words in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "raw", "pointers"),
    [
        ("api-keys", b'{"name": "a", "scope": "sending", "sc\\u006fpe": "full"}', {"/scope"}),
        ("api-keys", b'{"name": 7, "scope": "full", "scope": "full", "x": 1, "x": 2}', {"/name", "/scope", "/x"}),
        ("suppressions", b'{"email": "a@example.net", "email": "b@example.net"}', {"/email"}),
        ("domains", b'{"name": "a.example", "deep": [{"a": {"b/c": 1, "b/c": 2}}]}', {"/deep", "/deep/0/a/b~1c"}),
    ],
)
def test_a_key_that_stands_twice_is_named(owner: Customer, path: str, raw: bytes, pointers: set[str]) -> None:
    answer = owner.http.post(f"/v1/{path}", content=raw)
    assert answer.status_code == 422
    assert {one["pointer"] for one in answer.json()["errors"]} == pointers
    assert "stands twice in the same object" in answer.text
    assert owner.http.get("/v1/suppressions").json()["data"] == []


def test_how_deep_a_body_is_and_how_long_its_numbers_are_hides_no_fault(owner: Customer) -> None:
    insides = (b"", b'{"a": 1, "a": 2}', b'"\xff"')
    nested = [b"[" * depth + inner + b"]" * depth for depth in range(700, 1020, 20) for inner in insides]
    for inner in (*nested, b"1" * 5000):
        answer = owner.http.post("/v1/domains", content=b'{"name": "x", "deep": %b}' % inner)
        assert (answer.status_code, answer.json()["name"]) == (422, "validation_error")
        answer = owner.http.post("/v1/emails", content=b'{"metadata": {"deep": %b}, "to": "ada"}' % inner)
        assert (answer.status_code, answer.json()["name"]) == (422, "validation_error")


def test_what_is_not_utf_8_is_named_by_its_field(owner: Customer) -> None:
    raw = b'{"subject": "\xff", "to": ["ada@example.net", "b\xc3@example.net"], "text": "\xc3\xa9"}'
    answer = owner.http.post("/v1/emails", content=raw)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/subject", "/to/1"]
    assert "`subject` is not valid UTF-8" in answer.json()["message"]


def test_half_of_a_character_is_named_by_its_field(owner: Customer) -> None:
    """As JavaScript writes text that was cut within an emoji; nested too deep for it, or in a key, it is still told."""
    raw = b'{"subject": "cut \\ud83d", "to": ["ada@example.net", "b\\ude00@example.net"], "text": "\\ud83d\\ude00"}'
    answer = owner.http.post("/v1/emails", content=raw)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/subject", "/to/1"]
    assert "`subject` has half of a character" in answer.json()["message"]
    for body in (b'{"\\ud83d": "\\ud83d"}', b"[" * 990 + b'"\\ud83d"' + b"]" * 990, b'"\\ud83d"'):
        answer = owner.http.post("/v1/emails", content=body)
        assert (answer.status_code, answer.json()["name"]) == (422, "validation_error")


def test_a_body_beyond_all_measure_is_refused_before_it_is_read(owner: Customer) -> None:
    answer = owner.http.post("/v1/emails", content=b" " * 60_000_000)
    assert (answer.status_code, answer.json()["name"]) == (413, "message_too_large")


def test_a_body_of_unknown_length_is_cut_off_when_it_is_too_large(owner: Customer) -> None:
    answer = owner.http.post("/v1/emails", content=(b" " * 1_000_000 for _ in range(60)))
    assert (answer.status_code, answer.json()["name"]) == (413, "message_too_large")


def test_errors_have_the_shape_of_the_contract(owner: Customer) -> None:
    body = owner.http.get("/v1/emails/em_nope").json()
    assert body["request_id"].startswith("req_")
    assert body == {
        "statusCode": 404,
        "name": "not_found",
        "message": body["message"],
        "type": "https://post.example/errors/not_found",
        "title": "There is no such thing",
        "status": 404,
        "detail": body["message"],
        "request_id": body["request_id"],
    }


def test_problem_json_is_for_those_who_ask(owner: Customer) -> None:
    asked = owner.http.get("/v1/emails/em_nope", headers={"Accept": "application/problem+json"})
    assert asked.headers["content-type"] == "application/problem+json"
    assert owner.http.get("/v1/emails/em_nope").headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("accepted", "answered"),
    [
        ("application/problem+json;q=0, application/json", "application/json"),
        ("application/json, application/problem+json;q=0.5", "application/json"),
        ("application/json;q=0.5, APPLICATION/problem+json ; q=0.9", "application/problem+json"),
        ("application/json, application/problem+json", "application/problem+json"),
        ("text/html;x=application/problem+json", "application/json"),
        ("application/problem+json;q=many", "application/problem+json"),
        ("application/problem+json;q=nan", "application/json"),
    ],
)
def test_problem_json_is_weighed_against_other_json(owner: Customer, accepted: str, answered: str) -> None:
    asked = owner.http.get("/v1/emails/em_nope", headers={"Accept": accepted})
    assert asked.headers["content-type"] == answered


def test_unknown_addresses_and_methods_have_the_same_shape(nobody: httpx.Client) -> None:
    for method, path, status, name in (
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("DELETE", "/v1/emails", 405, "method_not_allowed"),
        ("PUT", "/v1/domains/x", 405, "method_not_allowed"),
        ("GET", "/v1/emails/", 404, "not_found"),
    ):
        answer = nobody.request(method, path)
        assert (answer.status_code, answer.json()["name"]) == (status, name), path


def test_an_unknown_method_is_told_which_are_known(nobody: httpx.Client) -> None:
    refused = nobody.put("/v1/emails")
    assert (refused.headers["allow"], refused.json()["message"]) == (
        "GET, HEAD, POST",
        "This address answers GET, HEAD, POST.",
    )
    assert nobody.put("/v1/domains/x").headers["allow"] == "GET, HEAD, PATCH, DELETE"


def test_the_faults_of_a_query_are_named(owner: Customer) -> None:
    answer = owner.http.get("/v1/emails", params={"limit": 101, "status": "lost"})
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/limit", "/status"}
    answer = owner.http.get("/v1/emails", params={"to": "ada", "since": "once", "tag": "\0"})
    assert 'or a day ("2026-11-01"), or "2 days ago" (UTC)' in answer.json()["message"]
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/to", "/since", "/tag"}
    assert owner.http.get("/v1/emails", params={"after": "em_x"}).json()["errors"][0]["pointer"] == "/after"


def test_all_faults_of_a_query_are_named_at_once(owner: Customer) -> None:
    wrong = {"limit": 0, "status": "lost", "to": "ada", "from": "@", "since": "once", "until": "x", "tag": "\0"}
    answer = owner.http.get("/v1/emails", params=wrong | {"subject": "\0", "after": "em_x", "before": "b", "colour": 1})
    assert answer.status_code == 422
    named = {error["pointer"] for error in answer.json()["errors"]}
    assert named == {f"/{name}" for name in (*wrong, "subject", "after", "before", "colour")}


@pytest.mark.parametrize("path", ["domains", "api-keys", "webhooks", "suppressions", "mailboxes", "smtp-credentials"])
def test_every_list_names_unknown_parameters_beside_the_other_faults(owner: Customer, path: str) -> None:
    answer = owner.http.get(f"/v1/{path}", params={"limit": 0, "after": "x", "page": 2})
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/limit", "/after", "/page"}


@pytest.mark.parametrize("query", ["status=sent&status=held", "limit=1&limit=2", "colour=1&status=sent&status=sent"])
def test_a_parameter_that_stands_twice_is_named_as_one_would_be_dropped(owner: Customer, query: str) -> None:
    answer = owner.http.get(f"/v1/emails?{query}")
    assert answer.status_code == 422
    assert {error["pointer"].lstrip("/") for error in answer.json()["errors"]} == {
        pair.partition("=")[0] for pair in query.split("&")
    }
    assert "stands twice" in answer.json()["message"]


def test_clients_that_were_written_for_others_may_ask_for_more(owner: Customer) -> None:
    assert owner.http.get("/domains", params={"page": 2}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "pointers"),
    [
        ("emails", {"to": "ada"}, {"/from", "/to", "/text", "/subject"}),
        ("emails/batch", [{"to": "ada@example.net", "subject": "Hi", "text": "x"}], {"/0/from"}),
        ("suppressions", {"email": 7}, {"/email"}),
        ("domains", {"nome": "a.example"}, {"/name", "/nome"}),
    ],
)
def test_what_reads_a_body_names_unknown_parameters_beside_its_faults(
    owner: Customer, path: str, body: Any, pointers: set[str]
) -> None:
    answer = owner.http.post(f"/v1/{path}", params={"dry_run": 1, "colour": 2}, json=body)
    assert (answer.status_code, answer.json()["name"]) == (422, "validation_error")
    assert {error["pointer"] for error in answer.json()["errors"]} == pointers | {"/dry_run", "/colour"}


@pytest.mark.parametrize("batch", [False, True])
def test_nothing_is_sent_while_a_parameter_is_unknown(owner: Customer, batch: bool) -> None:
    path, body = ("/emails/batch", [owner.email()]) if batch else ("/emails", owner.email())
    answer = owner.http.post(f"/v1{path}", params={"dry_run": 1}, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/dry_run")
    assert owner.http.get("/v1/emails").json()["data"] == []
    assert owner.http.post(path, params={"dry_run": 1}, json=body).status_code == 202


def test_no_route_that_reads_a_body_knows_parameters(nobody: httpx.Client) -> None:
    paths = nobody.get("/openapi.json", timeout=60).json()["paths"]
    reading = [one for methods in paths.values() for one in methods.values() if "requestBody" in one]
    assert len(reading) > 20
    assert [one["operationId"] for one in reading if any(p["in"] == "query" for p in one.get("parameters", []))] == []


def test_an_unknown_parameter_does_nothing(owner: Customer) -> None:
    made = owner.http.post("/v1/suppressions", json={"email": "kept@example.net"}).json()
    answer = owner.http.delete(f"/v1/suppressions/{made['id']}", params={"force": True})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/force")
    assert owner.http.get(f"/v1/suppressions/{made['id']}").status_code == 200


def test_every_error_says_where_it_is_explained(nobody: httpx.Client) -> None:
    kind = nobody.get("/v1/emails").json()["type"]
    assert kind == "https://post.example/errors/missing_api_key"
    assert nobody.get("/errors/missing_api_key").json()["status"] == 401


@pytest.mark.parametrize("path", ["//emails", "//v1/emails"])
def test_a_slash_too_many_is_told_as_json(owner: Customer, path: str) -> None:
    answer = owner.http.post(str(owner.http.base_url).rstrip("/") + path, json=owner.email())
    assert (answer.status_code, answer.json()["name"]) == (404, "not_found")
    assert answer.json()["message"].startswith(f"There is nothing at {path}. The base address")


@pytest.mark.parametrize(
    ("content", "pointers", "words"),
    [
        (b'{"type": "nope", "colour": 1}', ["/type", "/colour"], "write `?type=` behind the address"),
        (b"[1]", [""], "this takes no body"),
        (b"type=nope", [""], "not valid JSON"),
    ],
)
def test_fields_where_a_route_takes_none_are_named(
    owner: Customer, content: bytes, pointers: list[str], words: str
) -> None:
    hook = {"endpoint": "https://acme.example/hooks", "events": ["email.sent"]}
    place = f"/v1/webhooks/{owner.http.post('/v1/webhooks', json=hook).json()['id']}"
    refused = owner.http.post(f"{place}/test", content=content)
    assert (refused.status_code, refused.json()["name"]) == (422, "validation_error")
    assert [error["pointer"] for error in refused.json()["errors"]] == pointers
    assert words in refused.json()["message"]
    assert owner.http.get(f"{place}/events").json()["data"] == []
    for empty in (b"", b" ", b"{}", b"null"):
        assert owner.http.post(f"{place}/replay", content=empty).status_code == 200
    assert owner.http.post(f"{place.removeprefix('/v1')}/test", content=content).status_code == 200


def test_a_body_beside_a_deletion_deletes_nothing(owner: Customer) -> None:
    made = owner.http.post("/v1/suppressions", json={"email": "kept@example.net"}).json()
    answer = owner.http.request("DELETE", f"/v1/suppressions/{made['id']}", json={"dry_run": True})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/dry_run")
    assert owner.http.get("/v1/suppressions").json()["data"] != []
