"""Emails afterwards: lists, what happened, canceling, another moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.web import searching
from hourpost import pages
from hourpost.accounts.changes import set_plan
from hourpost.database import Database
from hourpost.emails.queries import Filters, _narrow, _page_of, _sieve
from hourpost.pages import Cursor, search
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import from_text
from hourpost.tables import Email
from tests.api.web.conftest import Customer


def ids(owner: Customer, **query: Any) -> list[str]:
    answer = owner.http.get("/v1/emails", params=query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["data"]]


@pytest.fixture
def five(owner: Customer) -> list[str]:
    """Newest first."""
    sent = [
        owner.send(
            subject=f"Number {n}",
            to=[f"A{n}@example.net", "all@example.net"],
            tags=[{"name": "n", "value": str(n % 2)}],
        ).json()["id"]
        for n in range(5)
    ]
    return sent[::-1]


def test_who_asks_for_resends_metrics_is_shown_ours(owner: Customer) -> None:
    answer = owner.http.get("/emails/metrics")
    assert (answer.status_code, answer.json()["name"]) == (404, "not_found")
    assert "GET /v1/statistics" in answer.json()["message"]


def test_lists_go_back_and_forth_by_ids(owner: Customer, five: list[str]) -> None:
    assert ids(owner) == five
    page = owner.http.get("/v1/emails", params={"limit": 2}).json()
    assert (page["object"], page["has_more"], [one["id"] for one in page["data"]]) == ("list", True, five[:2])
    assert ids(owner, limit=2, after=five[1]) == five[2:4]
    assert ids(owner, limit=2, before=five[3]) == five[1:3]
    assert owner.http.get("/v1/emails", params={"after": five[2]}).json()["has_more"] is False


def test_lists_are_narrowed_by_each_filter_and_by_all(owner: Customer, five: list[str]) -> None:
    assert ids(owner, to="a3@example.net") == ids(owner, to="A3@Example.net") == [five[1]]
    assert ids(owner, to="all@example.net") == five
    assert ids(owner, **{"from": owner.sender.upper()}) == five
    assert ids(owner, **{"from": "other@" + owner.domain.name}) == []
    assert ids(owner, subject="number 2") == [five[2]]
    assert ids(owner, subject="NUMBER 2") == [five[2]]
    assert [ids(owner, subject=one) for one in ("%", "_", "/", "\\")] == [[]] * 4
    assert ids(owner, tag="n:1") == [five[1], five[3]]
    assert ids(owner, tag="n") == five
    assert ids(owner, status="queued") == five
    assert ids(owner, status="bounced") == []
    assert ids(owner, since="2020-01-01T00:00:00Z", until="2021-01-01T00:00:00Z") == []
    assert ids(owner, since="2020-01-01T00:00:00Z", tag="n:0", subject="4") == [five[0]]


def test_an_email_is_found_by_its_message_id(owner: Customer, stranger: Customer, five: list[str]) -> None:
    message_id = owner.http.get(f"/v1/emails/{five[2]}").json()["message_id"]
    assert ids(owner, message_id=message_id) == ids(owner, message_id=message_id[1:-1]) == [five[2]]
    assert ids(owner, message_id=message_id, to="a2@example.net", status="queued", tag="n:0") == [five[2]]
    assert ids(owner, message_id=message_id, to="a1@example.net") == ids(owner, message_id="x") == []
    assert ids(stranger, message_id=message_id) == []


WANTED = {
    "deliveries_account_id_address_email_id_idx": Filters(to="a@example.net"),
    "emails_account_id_from_address_id_idx": Filters(from_="a@example.net"),
    "deliveries_troubled_idx": Filters(status=State.BOUNCED),
}


async def test_filters_by_recipient_sender_and_state_use_their_indexes(owner: Customer, database: Database) -> None:
    async with database.transaction() as connection:
        account = owner.account.id
        await _fill(connection, account)
        for index, filters in WANTED.items():
            narrowed = _narrow(_ids_of(account), account, filters).order_by(Email.id.desc())
            asked = _page_of(account, filters, Cursor()) if filters.is_of_recipients else narrowed
            plan = await _explain(connection, asked)
            assert index in plan, plan
            assert "Sort" not in plan, plan
        one = _narrow(_ids_of(account), account, Filters(message_id="<a@example.net>")).order_by(Email.id.desc())
        assert "emails_message_id_idx" in await _explain(connection, one)
        await connection.rollback()


@pytest.mark.parametrize(
    "filters",
    [Filters(subject="nowhere"), Filters(status=State.SENT, subject="nowhere"), Filters(status=State.QUEUED)],
)
async def test_searches_walk_an_index_and_end_where_they_are_bounded(
    owner: Customer, database: Database, filters: Filters
) -> None:
    """Nothing is sorted or joined as a whole: the plan is a walk, and each candidate is asked for by its key."""
    async with database.transaction() as connection:
        account = owner.account.id
        await _fill(connection, account)
        keys = _narrow(_ids_of(account), account, filters).order_by(Email.id.desc())
        plan = await _explain(connection, search(keys, Email.id, Cursor(), _sieve(account, filters)))
        assert "Scan Backward using emails_" in plan, plan  # of the index alone, where a vacuum came by
        assert ("deliveries_pkey" in plan) == (filters.status is not None), plan
        assert not any(word in plan for word in ("Sort", "Seq Scan", "Hash", "Merge")), plan
        await connection.rollback()


def _ids_of(account: UUID) -> Select[Any]:
    return select(Email.id).where(Email.account_id == account)


async def _explain(connection: AsyncConnection, statement: Select[Any]) -> str:
    compiled = statement.limit(21).compile(connection.sync_engine, compile_kwargs={"literal_binds": True})
    plan = (await connection.execute(text(f"EXPLAIN {compiled}".replace(":", "\\:")))).scalars()
    return "\n".join(plan)


def test_a_search_goes_on_until_it_has_found_something(
    owner: Customer, five: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients page by the last id of each page and end at an empty one."""
    monkeypatch.setattr(pages, "SEARCHED_AT_ONCE", 1)
    monkeypatch.setattr(searching, "GO_ON_SECONDS", 600)

    def page(**asked: str) -> tuple[list[str], bool]:
        found = owner.http.get("/v1/emails", params={"subject": "number 1", **asked}).json()
        return [one["id"] for one in found["data"]], found["has_more"]

    assert page() == ([five[3]], True)
    assert page(after=five[3]) == ([], False)
    assert page(before=five[4]) == ([five[3]], True)
    assert page(before=five[3]) == ([], False)


def test_a_search_that_ends_early_says_where_to_go_on(
    owner: Customer, five: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SEARCHED_AT_ONCE", 2)
    monkeypatch.setattr(searching, "GO_ON_SECONDS", 0)
    found, after = [], None
    for _ in range(3):
        page = owner.http.get(
            "/v1/emails", params={"subject": "number 1", **({"after": after} if after else {})}
        ).json()
        found.append([one["id"] for one in page["data"]])
        after = page.get("searched_to")
        assert page["has_more"] == (after is not None)
    assert (found, after) == ([[], [five[3]], []], None)
    back = owner.http.get("/v1/emails", params={"subject": "number 3", "before": five[4]}).json()
    assert (back["data"], back["searched_to"]) == ([], five[2])


def test_a_search_whose_page_is_full_goes_on_from_its_last_email(owner: Customer, five: list[str]) -> None:
    page = owner.http.get("/v1/emails", params={"subject": "number", "limit": 2}).json()
    assert ([one["id"] for one in page["data"]], page["has_more"], "searched_to" in page) == (five[:2], True, False)


async def test_those_in_trouble_are_listed_page_by_page(owner: Customer, five: list[str], database: Database) -> None:
    statement = text("UPDATE deliveries SET state = 'bounced' WHERE email_id = ANY(:emails)")
    async with database.transaction() as connection:
        await connection.execute(statement, {"emails": [from_text("em", one) for one in five[1:]]})
    assert ids(owner, status="bounced") == five[1:]  # each once, though all its recipients bounced
    assert ids(owner, status="bounced", limit="2") == five[1:3]
    assert ids(owner, status="bounced", limit="2", after=five[2]) == five[3:]
    assert ids(owner, status="bounced", limit="2", before=five[4]) == five[2:4]
    assert ids(owner, status="bounced", to="a3@example.net") == [five[1]]
    assert ids(owner, status="bounced", tag="n:1") == [five[1], five[3]]
    assert ids(owner, status="bounced", until="2021-01-01T00:00:00Z") == []


async def test_what_was_sent_is_listed(owner: Customer, five: list[str], database: Database) -> None:
    statement = text("UPDATE deliveries SET state = 'sent' WHERE email_id = :email AND position = 0")
    async with database.transaction() as connection:
        await connection.execute(statement, {"email": from_text("em", five[2])})
    assert ids(owner, status="sent") == [five[2]]
    assert ids(owner, status="sent", subject="number 1") == []
    assert ids(owner, status="sent", to="a2@example.net", subject="NUMBER 2") == [five[2]]


async def _fill(connection: AsyncConnection, account: UUID) -> None:
    """Ten thousand emails, so that an index is worth choosing; few of them bounced, none is from or to whom we ask."""
    emails = """INSERT INTO emails (id, account_id, source, test, envelope_from, header_from, from_address, subject,
        message_id, parts, size_bytes, content_id, created_at)
        SELECT gen_random_uuid(), :account, 'api', false, '', '', n || '@x.net', '', '', '{}', 0,
        gen_random_uuid(), now()
        FROM generate_series(1, 10000) n"""
    deliveries = """INSERT INTO deliveries (email_id, position, account_id, address, domain, state, due_at, attempts,
        crashes, changed_at)
        SELECT id, 0, :account, from_address, 'x.net', CASE WHEN random() < 0.001 THEN 'bounced' ELSE 'sent' END,
        now(), 1, 0, now() FROM emails WHERE account_id = :account"""
    for statement in (emails, deliveries):
        await connection.execute(text(statement), {"account": account})
    await connection.execute(text("ANALYZE emails, deliveries"))


def test_events_tell_what_happened_in_order(owner: Customer) -> None:
    email = owner.send(scheduled_at="in 1 day").json()["id"]
    owner.http.post(f"/v1/emails/{email}/cancel")
    events = owner.http.get(f"/v1/emails/{email}/events").json()["data"]
    assert [event["type"] for event in events] == ["email.scheduled", "email.canceled"]
    assert events[0]["address"] == "ada@example.net"
    assert owner.http.get(f"/v1/emails/{email}/attempts").json()["data"] == []


def test_an_email_is_shown_in_the_words_of_other_clients_too(owner: Customer) -> None:
    got = owner.http.get(f"/emails/{owner.send().json()['id']}").json()
    assert got["last_event"] == "queued"
    assert got["from"] == owner.sender
    assert (got["to"], got["cc"], got["bcc"], got["reply_to"]) == (["ada@example.net"], [], [], [])
    assert got["created_at"].endswith("Z")


def test_canceling_gives_the_token_back_once(owner: Customer) -> None:
    email = owner.send(to=["a@example.net", "b@example.net"]).json()
    assert email["plan"]["used"] == 2
    canceled = owner.http.post(f"/v1/emails/{email['id']}/cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert owner.http.get("/v1/usage").json()["used"] == 0
    assert owner.http.post(f"/v1/emails/{email['id']}/cancel").status_code == 200
    assert owner.http.get("/v1/usage").json()["used"] == 0


async def test_what_is_given_back_is_written_in_the_same_transaction(owner: Customer, database: Database) -> None:
    email = owner.send().json()["id"]
    owner.http.post(f"/v1/emails/{email}/cancel")
    async with database.reading() as connection:
        query = text("SELECT count, spent_at FROM spends WHERE account_id = :account ORDER BY id")
        rows = (await connection.execute(query, {"account": owner.account.id})).all()
    assert [row[0] for row in rows] == [1, -1]
    assert rows[0].spent_at == rows[1].spent_at


def test_canceling_what_is_held_makes_the_queue_shorter(owner: Customer) -> None:
    owner.http.post("/v1/emails/batch", json=[owner.email() for _ in range(1000)])
    held = owner.send().json()["id"]
    assert owner.http.get("/v1/usage").json()["held"] == 1
    owner.http.post(f"/v1/emails/{held}/cancel")
    assert owner.http.get("/v1/usage").json()["held"] == 0


@pytest.mark.parametrize(
    ("state", "told"), [("sent", "complained"), ("delivered", "complained"), ("bounced", "bounced")]
)
async def test_a_complaint_about_what_has_arrived_is_the_last_event(
    owner: Customer, database: Database, state: str, told: str
) -> None:
    email, other = owner.send().json()["id"], owner.send().json()["id"]
    event = """INSERT INTO events (email_id, id, position, account_id, kind, at)
        SELECT email_id, gen_random_uuid(), position, account_id, 'complained', now()
        FROM deliveries WHERE email_id = :email"""
    async with database.transaction() as connection:
        for statement in (f"UPDATE deliveries SET state = '{state}' WHERE email_id = :email", event):
            await connection.execute(text(statement), {"email": from_text("em", email)})
    got = owner.http.get(f"/v1/emails/{email}").json()
    assert (got["status"], got["last_event"]) == (state, told)
    listed = {one["id"]: one["last_event"] for one in owner.http.get("/v1/emails").json()["data"]}
    assert (listed[email], listed[other]) == (told, "queued")


async def test_what_is_held_says_until_when_whenever_it_is_asked(owner: Customer, database: Database) -> None:
    async with database.transaction() as connection:
        await set_plan(connection, owner.account.id, "path", 3)
    owner.send(to=["a@example.net", "b@example.net", "f@example.net"])
    owner.send()
    key = {"Idempotency-Key": "held"}
    body = owner.email(to=["c@example.net", "d@example.net", "e@example.net"])
    told = owner.http.post("/v1/emails", json=body, headers=key).json()
    last = told["pacing"]["estimated_send_at"]
    got = owner.http.get(f"/v1/emails/{told['id']}").json()["recipients"]
    assert [one["waits_for"] for one in got] == ["plan"] * 3
    assert got[0]["next_at"] == got[1]["next_at"] < got[2]["next_at"] == last
    again = owner.http.post("/v1/emails", json=body, headers=key)
    assert (again.headers["Idempotency-Replayed"], again.json()["pacing"]["estimated_send_at"]) == ("true", last)


async def test_a_moment_in_a_full_hour_is_told_when_it_leaves_and_that_it_expires_before(
    owner: Customer, database: Database
) -> None:
    async with database.transaction() as connection:
        await set_plan(connection, owner.account.id, "path", 1)
    owner.send()
    patient = owner.send(scheduled_at="in 10 minutes").json()
    assert patient["pacing"]["held_by"] == "schedule"
    assert datetime.fromisoformat(patient["pacing"]["estimated_send_at"]) > datetime.now(UTC) + timedelta(minutes=55)
    late = owner.send(scheduled_at="in 10 minutes", expires_at="in 20 minutes").json()
    (warning,) = late["warnings"]
    assert warning["pointer"] == "/expires_at"
    moved = owner.http.patch(f"/v1/emails/{late['id']}", json={"scheduled_at": "in 15 minutes"}).json()
    assert moved["warnings"] == [warning | {"pointer": "/scheduled_at"}]
    unhurried = owner.send(scheduled_at="in 2 hours", expires_at="in 3 hours").json()
    assert "warnings" not in unhurried
    assert (
        "warnings" not in owner.http.patch(f"/v1/emails/{unhurried['id']}", json={"scheduled_at": "in 90 min"}).json()
    )
    assert "warnings" not in owner.http.patch(f"/v1/emails/{patient['id']}", json={"scheduled_at": "in 1 min"}).json()


async def test_what_has_left_cannot_be_canceled_or_moved(owner: Customer, database: Database) -> None:
    email = owner.send().json()["id"]
    async with database.transaction() as connection:
        query = text("UPDATE deliveries SET state = 'sent' WHERE account_id = :account")
        await connection.execute(query, {"account": owner.account.id})
    for method, path, body in (
        ("POST", f"/v1/emails/{email}/cancel", None),
        ("PATCH", f"/v1/emails/{email}", {"scheduled_at": "in 1 hour"}),
    ):
        assert owner.http.request(method, path, json=body).status_code == 409


def test_a_scheduled_email_gets_another_moment(owner: Customer) -> None:
    email = owner.send(scheduled_at="in 2 hours").json()["id"]
    moment = f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}T09:00:00Z"
    moved = owner.http.patch(f"/v1/emails/{email}", json={"scheduled_at": moment})
    assert moved.status_code == 200, moved.text
    assert moved.json()["scheduled_at"] == moment
    assert moved.json()["recipients"][0]["next_at"] == moment
    events = owner.http.get(f"/v1/emails/{email}/events").json()["data"]
    assert events[-1]["detail"] == {"scheduled_at": moment}


async def test_a_scheduled_email_is_dated_when_it_leaves(owner: Customer, database: Database) -> None:
    def dated(email: str) -> datetime:
        raw = owner.http.get(f"/v1/emails/{email}/raw").text
        assert raw.count("\r\nDate: ") == 2
        assert raw.endswith(f"\r\n\r\n{text_of_it}\r\n")
        return parsedate_to_datetime(message_from_string(raw)["Date"])

    text_of_it = "Hello.\r\nDate: Mon, 01 Jan 2001 00:00:00 +0000\r\nBye."
    moments = [datetime.now(UTC).replace(microsecond=0) + timedelta(days=days) for days in (9, 2, 30)]
    assert owner.http.post("/v1/suppressions", json={"email": "carl@example.net"}).status_code == 201
    fields = {"text": text_of_it, "to": ["ada@example.net", "bob@example.net", "carl@example.net"]}
    email = owner.send(scheduled_at=moments[0].isoformat(), **fields).json()["id"]
    assert dated(email) == moments[0]
    owner.http.patch(f"/v1/emails/{email}", json={"scheduled_at": moments[1].isoformat()})
    assert dated(email) == moments[1]
    statement = text("UPDATE deliveries SET state = 'sent' WHERE email_id = :id AND position = 0")
    async with database.transaction() as connection:
        await connection.execute(statement, {"id": from_text("em", email)})
    assert owner.http.patch(f"/v1/emails/{email}", json={"scheduled_at": moments[2].isoformat()}).status_code == 200
    assert dated(email) == moments[1]


def test_a_moment_in_the_past_or_after_the_expiry_is_refused(owner: Customer) -> None:
    email = owner.send(scheduled_at="in 2 hours", expires_at="in 3 hours").json()["id"]
    for moment in ("2020-01-01T00:00:00Z", "in 4 hours", 7):
        answer = owner.http.patch(f"/v1/emails/{email}", json={"scheduled_at": moment})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/scheduled_at"
    both = owner.http.patch(f"/v1/emails/{email}", json={"scheduled_at": "2020-01-01T00:00:00Z", "subject": "x"})
    assert {fault["pointer"] for fault in both.json()["errors"]} == {"/scheduled_at", "/subject"}
    assert [fault["pointer"] for fault in owner.http.patch(f"/v1/emails/{email}", json={}).json()["errors"]] == [
        "/scheduled_at"
    ]
