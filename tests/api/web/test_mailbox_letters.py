"""Letters, answers and drafts of a mailbox, and the feed of what happens in it."""

from __future__ import annotations

import asyncio
import json
from email import message_from_bytes
from email.message import Message
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from hourpost.database import Database
from hourpost.flow.filing import Filing
from hourpost.gateways.clock import SystemClock
from hourpost.rules.header_text import decode_words
from hourpost.rules.mail_flags import Flag
from tests.api.web.conftest import Customer
from tests.api.web.mail import Box, box, letter, pointers
from tests.api.web.running import RunningWeb

__all__ = ["box"]


def send(box: Box, **fields: Any) -> dict[str, Any]:
    return box.post(f"{box.path}/send", 202, **fields)


def read(box: Box, folder: str, uid: int) -> Message:
    return message_from_bytes(box.owner.http.get(box.folder(folder, f"/messages/{uid}/raw")).content)


async def test_an_answer_takes_over_what_it_does_not_say(box: Box) -> None:
    headers = "References: <first@example.net>\r\nReply-To: =?utf-8?q?D=C3=B6e=2C_J?= <desk@example.net>\r\n"
    uid = await box.receive(letter(7, headers=headers, to=f"{box.mailbox.address}, bob@example.net"))
    sent = send(box, answers={"folder": "inbox", "uid": uid}, text="Thank you.", to_all=True)
    copy = read(box, "sent", sent["sent"]["uid"])
    assert copy["In-Reply-To"] == "<letter-7@example.net>"
    assert copy["References"] == "<first@example.net> <letter-7@example.net>"
    assert (copy["Subject"], copy["Message-ID"]) == ("Re: Letter 7", sent["message_id"])
    assert (copy["Cc"], copy["From"]) == ("bob@example.net", f'"Info, Desk" <{box.mailbox.address}>')
    assert copy["To"].endswith("<desk@example.net>")
    assert box.get(box.folder("inbox", f"/messages/{uid}"))["flags"] == ["answered"]
    email = box.get(f"/v1/emails/{sent['id']}")
    assert (email["source"], [one["address"] for one in email["recipients"]]) == (
        "mailbox",
        ["desk@example.net", "bob@example.net"],
    )
    assert box.get(box.folder("sent", f"/messages/{sent['sent']['uid']}"))["flags"] == ["seen"]


async def test_what_an_answer_says_itself_stands(box: Box) -> None:
    uid = await box.receive(letter(8, headers="Subject: re: twice\r\n"))
    answers = {"folder": "inbox", "uid": uid}
    sent = send(
        box, answers=answers, text="x", to="c@example.net", attachments=[{"filename": "a.txt", "content": "aGk="}]
    )
    copy = read(box, "sent", sent["sent"]["uid"])
    assert (copy["To"], copy["Subject"]) == ("c@example.net", "re: twice")
    assert [part.get_filename() for part in copy.walk() if part.get_filename()] == ["a.txt"]
    alias = f"sales@{box.owner.domain.name}"
    assert (
        read(box, "sent", send(box, **{"from": alias}, to="a@example.net", subject="S", text="x")["sent"]["uid"])[
            "From"
        ]
        == alias
    )


async def test_an_answer_to_ones_own_letter_goes_where_that_went(box: Box) -> None:
    own = letter(9, to="far@example.net").replace(b"Ann <ann@example.net>", box.mailbox.address.encode())
    uid = await box.receive(own, "Sent")
    sent = send(box, answers={"folder": "sent", "uid": uid}, text="And one more thing.")
    assert read(box, "sent", sent["sent"]["uid"])["To"] == "far@example.net"


async def test_a_letter_is_from_its_writers_name_with_joined_emoji(box: Box) -> None:
    name = "Zoë \U0001f469\u200d\U0001f4bb"
    box.owner.http.patch(box.path, json={"name": name})
    sent = send(box, to="far@example.net", subject=name, text="Hello")
    copy = read(box, "sent", sent["sent"]["uid"])
    assert decode_words(copy["From"]) == f"{name} <{box.mailbox.address}>"
    assert decode_words(copy["Subject"]) == name


async def test_the_faults_of_a_letter_are_named(box: Box) -> None:
    http, place = box.owner.http, f"{box.path}/send"
    assert pointers(http.post(place, json={"to": "ada", "subject": "S"})) == ["/to", "/text"]
    assert pointers(http.post(place, json={"to": "a@example.net", "text": "x"})) == ["/subject"]
    elsewhere = {"from": f"other@{box.owner.domain.name}", "to": "a@example.net", "subject": "S", "text": "x"}
    assert pointers(http.post(place, json=elsewhere)) == ["/from"]
    assert pointers(http.post(place, json={"answers": {"folder": "inbox", "uid": 99}, "text": "x"})) == ["/answers"]
    assert pointers(http.post(place, json={"answers": {"folder": "inbox"}, "text": "x"})) == ["/answers/uid"]
    assert pointers(http.post(place, json={"draft": 5, "to": "a@example.net", "subject": "", "text": "x"})) == [
        "/draft"
    ]
    assert pointers(http.post(place, json={"colour": 1, "to": "a@example.net", "subject": "", "text": "x"})) == [
        "/colour"
    ]
    assert box.uids("sent") == []


def test_a_letter_sent_twice_with_one_key_is_one_letter(box: Box) -> None:
    body, headers = {"to": "a@example.net", "subject": "S", "text": "x"}, {"Idempotency-Key": "once"}
    first, again = [box.owner.http.post(f"{box.path}/send", json=body, headers=headers) for _ in range(2)]
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert len(box.uids("sent")) == 1


def test_what_finds_no_room_and_does_not_wait_is_not_filed(box: Box) -> None:
    many = [f"a{number}@example.net" for number in range(50)]
    for _ in range(20):
        box.owner.send(to=many)
    full = {"to": "a@example.net", "subject": "S", "text": "x", "on_limit": "reject"}
    assert box.owner.http.post(f"{box.path}/send", json=full).status_code == 429
    assert box.uids("sent") == []


def test_a_draft_is_saved_replaced_and_sent(box: Box) -> None:
    first = box.post(f"{box.path}/drafts", 201, text="Dear")
    second = box.post(f"{box.path}/drafts", 201, text="Dear Ann", bcc="b@example.net", subject="S", draft=first["uid"])
    assert box.uids("drafts") == [second["uid"]]
    written = read(box, "drafts", second["uid"])
    assert (written["Bcc"], written["To"]) == ("b@example.net", None)
    assert box.get(box.folder("drafts", f"/messages/{second['uid']}"))["flags"] == ["seen", "draft"]
    send(box, to="ann@example.net", subject="S", text="Dear Ann", draft=second["uid"])
    assert box.uids("drafts") == []


async def test_a_draft_that_is_sent_twice_at_once_leaves_once(box: Box) -> None:
    draft = box.post(f"{box.path}/drafts", 201, text="Dear")["uid"]
    letters = [{"to": "ann@example.net", "subject": "S", "text": f"Dear {n}", "draft": draft} for n in "abcd"]
    http = box.owner.http
    async with httpx.AsyncClient(base_url=http.base_url, headers=http.headers) as client:
        answers = await asyncio.gather(*(client.post(f"{box.path}/send", json=one) for one in letters))
    assert sorted({answer.status_code for answer in answers} - {409, 422}) == [202]
    assert len(box.uids("sent")) == 1


async def test_the_copy_that_was_filed_is_the_one_that_shows_the_outcome(box: Box, database: Database) -> None:
    send(box, to="a@example.net", subject="S", text="x")
    await Filing(database, box.store, SystemClock(), "mx.test").sweep()
    assert len(box.uids("sent")) == 1
    copies = text("SELECT is_own, content_id FROM sent_copies WHERE mailbox_id = :id")
    async with database.reading() as connection:
        (copy,) = (await connection.execute(copies, {"id": box.mailbox.id})).all()
    assert copy.is_own
    assert copy.content_id is not None


async def test_the_feed_tells_what_happens(box: Box, web: RunningWeb) -> None:
    headers = {"Authorization": f"Bearer {box.owner.key}"}
    client = httpx.AsyncClient(base_url=web.url, headers=headers, timeout=10)
    async with client, client.stream("GET", f"{box.path}/feed") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = told(stream)
        names = {(await anext(events))["name"] for _ in range(6)}
        assert names == {"INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"}
        await box.receive(letter(), flags=Flag.SEEN)
        async with asyncio.timeout(10):
            event = await anext(events)
        assert (event["name"], event["messages"], event["unseen"]) == ("INBOX", 1, 0)


async def told(stream: httpx.Response) -> Any:
    async for line in stream.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


@pytest.mark.parametrize("end", ["key", "mailbox"])
async def test_the_feed_ends_when_its_key_or_its_mailbox_does(
    box: Box, web: RunningWeb, owner: Customer, end: str
) -> None:
    made = owner.http.post("/v1/api-keys", json={"name": "short"}).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    client = httpx.AsyncClient(base_url=web.url, headers=headers, timeout=20)
    async with client, client.stream("GET", f"{box.path}/feed") as stream:
        events = told(stream)
        for _ in range(6):
            await anext(events)
        await box.receive(letter())
        owner.http.delete(f"/v1/api-keys/{made['id']}" if end == "key" else box.path)
        async with asyncio.timeout(20):
            assert len([event async for event in events]) <= 1
