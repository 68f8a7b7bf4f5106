"""``hourpost send`` against an API that answers as it is told."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from hourpost.cli import drafting, posting
from tests.cli.conftest import Run
from tests.fakes.http_api import FakeApi, run_http_api

ACCEPTED = {"id": "em_1", "object": "email", "status": "queued", "pacing": {"held_by": None}}
ONE = ("send", "--from", "hello@acme.test", "--to", "anna@example.net", "--subject", "Hi", "--text", "Hello")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    with run_http_api() as running:
        running.answers = [(202, {}, ACCEPTED)]
        monkeypatch.setenv("HOURPOST_BASE_URL", running.url)
        monkeypatch.setenv("HOURPOST_API_KEY", "hp_test_environment")
        monkeypatch.setattr(posting.time, "sleep", lambda _: None)
        yield running


def test_an_email_goes_to_the_api(hourpost: Run, api: FakeApi) -> None:
    assert hourpost(*ONE, "--json").json == ACCEPTED
    (request,) = api.requests
    assert request.path == "/v1/emails"
    assert request.headers["authorization"] == "Bearer hp_test_environment"
    assert len(request.headers["idempotency-key"]) >= 20
    assert request.body == {"from": "hello@acme.test", "subject": "Hi", "text": "Hello", "to": ["anna@example.net"]}


def test_people_read_the_id_and_the_state(hourpost: Run, api: FakeApi) -> None:
    api.answers = [(202, {}, ACCEPTED | {"pacing": {"held_by": "plan", "estimated_send_at": "2026-12-01T09:00:00Z"}})]
    lines = [line.split() for line in hourpost(*ONE).output.splitlines()]
    assert lines == [
        ["id", "em_1"],
        ["status", "queued"],
        ["held", "by", "plan"],
        ["leaves", "at", "2026-12-01T09:00:00Z"],
    ]


def test_the_key_comes_by_standard_input_where_that_is_said(hourpost: Run, api: FakeApi) -> None:
    hourpost(*ONE, "--key-stdin", stdin="hp_test_stdin\n")
    assert api.requests[0].headers["authorization"] == "Bearer hp_test_stdin"


def test_without_a_key_anywhere_it_is_asked_for(hourpost: Run, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOURPOST_API_KEY")
    assert "no API key: put it into HOURPOST_API_KEY" in hourpost(*ONE).error
    assert "HOURPOST_API_KEY" in hourpost(*ONE[:-1], "-", stdin="Hello").error
    assert api.requests == []


def test_text_html_and_attachments_are_read(hourpost: Run, api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>Hello</p>")
    (tmp_path / "a.pdf").write_bytes(b"%PDF\x00")
    hourpost(*ONE[:-1], "-", "--html", "a.html", "--attach", "a.pdf", stdin="from stdin")
    body = api.requests[0].body
    assert (body["text"], body["html"]) == ("from stdin", "<p>Hello</p>")
    content = base64.b64encode(b"%PDF\x00").decode()
    assert body["attachments"] == [{"filename": "a.pdf", "content": content, "content_type": "application/pdf"}]


def test_all_that_the_api_takes_can_be_said(hourpost: Run, api: FakeApi) -> None:
    who = ("--cc", "c@x.net", "--bcc", "d@x.net", "--bcc", "e@x.net", "--reply-to", "f@acme.test")
    labels = ("--header", "X-Entity: a:7", "--tag", "kind=receipt", "--tag", "vip", "--metadata", '{"order": 7}')
    when = ("--scheduled-at", "tomorrow at 9am", "--expires-at", "in 3 days", "--on-limit", "reject")
    hourpost(*ONE, *who, *labels, *when, "--idempotency-key", "order-7")
    (request,) = api.requests
    assert request.headers["idempotency-key"] == "order-7"
    assert request.body == {
        "from": "hello@acme.test",
        "subject": "Hi",
        "text": "Hello",
        "to": ["anna@example.net"],
        "cc": ["c@x.net"],
        "bcc": ["d@x.net", "e@x.net"],
        "reply_to": ["f@acme.test"],
        "headers": {"X-Entity": "a:7"},
        "tags": [{"name": "kind", "value": "receipt"}, {"name": "tag", "value": "vip"}],
        "metadata": {"order": 7},
        "scheduled_at": "tomorrow at 9am",
        "expires_at": "in 3 days",
        "on_limit": "reject",
    }


def test_labels_that_mean_nothing_are_told_all_of_them_and_nothing_is_sent(hourpost: Run, api: FakeApi) -> None:
    wrong = ("--header", "X-Entity", "--header", "A: 1", "--header", "a: 2", "--tag", "a b=c", "--metadata", "[1]")
    done = hourpost(*ONE, *wrong)
    assert (done.exit_code, api.requests) == (1, [])
    assert [line.split(" ", 3)[1:3] for line in done.error.splitlines()] == [
        ["header:", "'X-Entity'"],
        ["tag:", "'a"],
        ["header:", "a"],
        ["metadata:", "'[1]'"],
    ]


def test_what_was_not_answered_is_asked_again_under_the_same_key(hourpost: Run, api: FakeApi) -> None:
    api.answers = [(503, {"Retry-After": "1"}, {"message": "away"}), (202, {}, ACCEPTED)]
    assert hourpost(*ONE, "--json").json["id"] == "em_1"
    assert len({request.headers["idempotency-key"] for request in api.requests}) == 1
    assert len(api.requests) == 2


def test_every_fault_is_told(hourpost: Run, api: FakeApi) -> None:
    faults = [{"pointer": "/to/0", "detail": "no address"}, {"pointer": "/from", "detail": "`from`: no"}]
    api.answers = [(422, {}, {"message": "wrong", "name": "validation_error", "errors": faults})]
    done = hourpost(*ONE)
    assert (done.exit_code, done.error) == (1, "error: to/0: no address\nerror: `from`: no\n")


def test_a_refusal_is_told_with_its_name(hourpost: Run, api: FakeApi) -> None:
    api.answers = [(403, {}, {"message": "API key is invalid", "name": "invalid_api_key"})]
    assert hourpost(*ONE).error == "error: API key is invalid (invalid_api_key)\n"


def test_each_of_many_gets_an_email_of_its_own(
    hourpost: Run, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting, "BATCH", 2)
    (tmp_path / "list").write_text("a@x.net\n\nb@x.net \nc@x.net\n")
    api.answers = [(200, {}, {"data": [{"id": "em_1"}, {"id": "em_2"}]}), (200, {}, {"data": [{"id": "em_3"}]})]
    many = [word for word in ONE if word not in ("--to", "anna@example.net")] + ["--idempotency-key", "news"]
    assert [one["id"] for one in hourpost(*many, "--to-each", "list", "--json").json["data"]] == [
        "em_1",
        "em_2",
        "em_3",
    ]
    assert [[email["to"] for email in request.body] for request in api.requests] == [
        [["a@x.net"], ["b@x.net"]],
        [["c@x.net"]],
    ]
    assert [request.headers["idempotency-key"] for request in api.requests] == ["news-1", "news-2"]


def test_a_list_with_a_fault_is_sent_to_nobody_and_the_line_is_named(
    hourpost: Run, api: FakeApi, tmp_path: Path
) -> None:
    (tmp_path / "list").write_text("a@x.net\n\nAnna <b@x.net>\nnobody\n")
    done = hourpost("send", "--from", "a@acme.test", "--text", "x", "--to-each", "list")
    assert (done.exit_code, api.requests) == (1, [])
    assert done.error.startswith("error: list, line 4: 'nobody'")
    assert len(done.error.splitlines()) == 1


def test_a_list_that_is_refused_in_its_middle_says_how_far_it_went(
    hourpost: Run, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting, "BATCH", 1)
    (tmp_path / "list").write_text("a@x.net\nb@x.net\n")
    api.answers = [
        (200, {}, {"data": [{"id": "em_1"}]}),
        (403, {}, {"message": "The account is suspended.", "name": "account_suspended"}),
    ]
    done = hourpost("send", "--from", "a@acme.test", "--text", "x", "--to-each", "list")
    assert done.error.splitlines() == [
        "accepted: 1, up to a@x.net; then:",
        "error: The account is suspended. (account_suspended)",
    ]


def test_what_a_spreadsheet_writes_is_read_and_what_is_not_utf_8_is_told(
    hourpost: Run, api: FakeApi, tmp_path: Path
) -> None:
    (tmp_path / "list").write_bytes("\ufeffa@x.net\r\n".encode())
    (tmp_path / "a.html").write_bytes("<p>\nJörg</p>".encode("latin-1"))
    api.answers = [(200, {}, {"data": [{"id": "em_1"}]})]
    done = hourpost("send", "--from", "a@acme.test", "--text", "x", "--to-each", "list")
    assert done.output.splitlines() == ["1 email accepted"]
    assert [one["to"] for one in api.requests[0].body] == [["a@x.net"]]
    told = "error: a.html, line 2: this is not UTF-8"
    assert hourpost("send", "--from", "a@acme.test", "--html", "a.html", "--to", "a@x.net").error.startswith(told)
    assert "--subject, line 1: this is not UTF-8" in hourpost(*ONE, "--subject", "J\udcf6rg").error


def test_all_that_is_missing_is_said_at_once(hourpost: Run, api: FakeApi) -> None:
    done = hourpost("send", "--subject", "Hi")
    assert (done.exit_code, api.requests) == (1, [])
    assert [line.split()[-1] for line in done.error.splitlines()] == ["--from", "--attach", "--to"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--to", "a@x.net", "--text", "x"), "--from"),
        (("--from", "a@x.net", "--to", "a@x.net"), "--text"),
        (("--from", "a@x.net", "--text", "x"), "--to"),
        (("--from", "a@x.net", "--text", "x", "--to", "b@x.net", "--to-each", "list"), "not both"),
        (("--from", "a@x.net", "--text", "x", "--to-each", "list"), "no recipients"),
        (("--from", "a@x.net", "--attach", "missing.pdf"), "missing.pdf"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_sent(
    hourpost: Run, api: FakeApi, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    (tmp_path / "list").write_text("\n")
    done = hourpost("send", *arguments)
    assert (done.exit_code, told in done.error, api.requests) == (1, True, [])


def test_where_no_api_answers_the_way_out_is_told(hourpost: Run, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOURPOST_BASE_URL", "http://127.0.0.1:1")
    assert "hourpost up" in hourpost(*ONE).error
