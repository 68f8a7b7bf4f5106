"""Mailboxes by REST: making, changing and deleting them, their app passwords, aliases and folders."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.api.web.conftest import Customer
from tests.api.web.mail import Box, box, letter, pointers

__all__ = ["box"]
PASSWORD = "a long password"


def make(owner: Customer, local: str = "ada", **fields: Any) -> dict[str, Any]:
    new = {"address": f"{local}@{owner.domain.name}", "password": PASSWORD, **fields}
    answer = owner.http.post("/v1/mailboxes", json=new)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_mailbox_is_made_found_changed_deleted_and_restored(owner: Customer) -> None:
    made = make(owner, name="Ada", aliases=[f"a.l@{owner.domain.name}"], catch_all=True)
    assert (made["name"], made["catch_all"], made["used_bytes"]) == ("Ada", True, 0)
    place = f"/v1/mailboxes/{made['id']}"
    assert owner.http.get(place).json() == made == owner.http.get(f"/v1/mailboxes/{made['address']}").json()
    change = {"quota_bytes": 5000, "forward_to": ["x@example.net"], "keeps_forwarded": False, "catch_all": False}
    changed = owner.http.patch(place, json=change | {"password": "another password", "files_sent": False}).json()
    assert {name: changed[name] for name in change} == change
    assert [one["id"] for one in owner.http.get("/v1/mailboxes").json()["data"]] == [made["id"]]
    gone = owner.http.delete(place).json()
    assert (gone["deleted"], gone["address"]) == (True, made["address"])
    assert owner.http.get(place).status_code == 404
    assert owner.http.get("/v1/mailboxes").json()["data"] == []
    (closed,) = owner.http.get("/v1/mailboxes", params={"deleted": True}).json()["data"]
    assert closed["id"] == made["id"]
    assert closed["deleted_at"]
    assert owner.http.post(f"/v1/mailboxes/{made['address']}/restore").json()["id"] == made["id"]
    assert owner.http.get(place).json()["deleted_at"] is None
    assert owner.http.get("/v1/mailboxes", params={"deleted": True}).json()["data"] == []


def test_what_it_says_by_itself_is_set_and_taken_away(owner: Customer) -> None:
    place = f"/v1/mailboxes/{make(owner)['id']}"
    assert (owner.http.get(place).json()["signature"], owner.http.get(place).json()["auto_reply"]) == ("", None)
    reply = {"text": "Away.", "first_day": "2026-12-24", "last_day": "2027-01-02", "time_zone": "Europe/Berlin"}
    owner.http.patch(place, json={"signature": "Ada", "auto_reply": reply})
    assert owner.http.patch(place, json={"name": "Ada"}).json()["auto_reply"] == reply | {"subject": ""}
    stopped = owner.http.patch(place, json={"auto_reply": None}).json()
    assert (stopped["signature"], stopped["auto_reply"]) == ("Ada", None)
    wrong = {"text": " ", "first_day": "2026-12-24", "last_day": "2026-12-23", "time_zone": "Mars/Base"}
    answer = owner.http.patch(place, json={"signature": "x\0", "auto_reply": wrong})
    places = [f"/auto_reply/{name}" for name in ("last_day", "text", "time_zone")]
    assert sorted(pointers(answer)) == [*places, "/signature"]


def test_a_password_is_good_for_scram_from_the_start(owner: Customer, database_url: str) -> None:
    made = make(owner)
    first = keys_of(database_url, made["address"])
    owner.http.patch(f"/v1/mailboxes/{made['id']}", json={"password": "another password"})
    second = keys_of(database_url, made["address"])
    assert first
    assert second
    assert first != second


def keys_of(database_url: str, address: str) -> bytes | None:
    async def read() -> bytes | None:
        connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
        try:
            return await connection.fetchval("SELECT scram_keys FROM mailboxes WHERE address = $1", address)
        finally:
            await connection.close()

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"address": "nonsense"}, ["/address"]),
        ({"address": "Ada <ada@{domain}>"}, ["/address"]),
        ({"address": "a+b@{domain}"}, ["/address"]),
        ({"address": None}, ["/address"]),
        ({"password": "short"}, ["/password"]),
        ({"name": "a\nb"}, ["/name"]),
        ({"quota_bytes": 0}, ["/quota_bytes"]),
        ({"aliases": ["x", "y@{domain}", "z"]}, ["/aliases/0", "/aliases/2"]),
        ({"address": "x", "password": "x", "quota_bytes": -1}, ["/address", "/password", "/quota_bytes"]),
        ({"name": "a\0"}, ["/name"]),
        ({"colour": "red"}, ["/colour"]),
    ],
)
def test_each_fault_is_named(owner: Customer, fields: dict[str, Any], expected: list[str]) -> None:
    good = {"address": "ada@{domain}", "password": PASSWORD}
    asked = {name: _fill(value, owner.domain.name) for name, value in (good | fields).items() if value is not None}
    assert pointers(owner.http.post("/v1/mailboxes", json=asked)) == expected


def test_names_and_subjects_take_joined_emoji(owner: Customer) -> None:
    name = "Zoë \U0001f469\u200d\U0001f4bb"
    place = f"/v1/mailboxes/{make(owner)['id']}"
    reply = {"subject": name, "text": "Away."}
    changed = owner.http.patch(place, json={"name": name, "auto_reply": reply}).json()
    assert (changed["name"], changed["auto_reply"]["subject"]) == (name, name)
    assert owner.http.post(f"{place}/app-passwords", json={"name": name, "scopes": ["imap"]}).json()["name"] == name
    assert pointers(owner.http.patch(place, json={"name": f"{name}\u202e"})) == ["/name"]
    assert pointers(owner.http.patch(place, json={"auto_reply": reply | {"subject": "a\u200b"}})) == [
        "/auto_reply/subject"
    ]


def _fill(value: Any, domain: str) -> Any:
    if isinstance(value, list):
        return [_fill(one, domain) for one in value]
    return value.replace("{domain}", domain) if isinstance(value, str) else value


def test_a_mailbox_needs_a_verified_domain_and_an_address_that_is_free(owner: Customer, stranger: Customer) -> None:
    make(owner)
    again = owner.http.post("/v1/mailboxes", json={"address": f"ada@{owner.domain.name}", "password": PASSWORD})
    assert again.status_code == 409
    theirs = {"address": f"ada@{stranger.domain.name}", "password": PASSWORD}
    refused = owner.http.post("/v1/mailboxes", json=theirs)
    assert (refused.status_code, refused.json()["name"]) == (403, "domain_not_verified")


def test_app_passwords_are_shown_once_and_revoked(owner: Customer) -> None:
    place = f"/v1/mailboxes/{make(owner)['id']}/app-passwords"
    made = owner.http.post(place, json={"name": "phone", "scopes": ["imap"]}).json()
    assert made["scopes"] == ["imap"]
    (listed,) = owner.http.get(place).json()["data"]
    assert (listed["id"], "password" in listed) == (made["id"], False)
    assert made["password"].startswith(listed["hint"])
    assert pointers(owner.http.post(place, json={"name": "", "scopes": ["web"]})) == ["/name", "/scopes"]
    assert owner.http.delete(f"{place}/{made['id']}").json()["deleted"] is True
    assert owner.http.get(place).json()["data"] == []
    assert owner.http.delete(f"{place}/{made['id']}").status_code == 404


def test_aliases_come_and_go(owner: Customer) -> None:
    place, alias = f"/v1/mailboxes/{make(owner)['id']}/aliases", f"sales@{owner.domain.name}"
    assert owner.http.post(place, json={"alias": alias}).json()["aliases"] == [alias]
    assert owner.http.post(place, json={"alias": alias}).status_code == 409
    assert owner.http.delete(f"{place}/{alias}").json()["aliases"] == []
    assert owner.http.delete(f"{place}/{alias}").status_code == 404


async def test_folders_have_counts_and_are_made_renamed_and_deleted(box: Box) -> None:
    await box.receive(letter(1))
    folders = {one["use"]: one for one in box.get(f"{box.path}/folders")["data"]}
    assert set(folders) == {"inbox", "drafts", "sent", "junk", "trash", "archive"}
    assert (folders["inbox"]["messages"], folders["inbox"]["unseen"]) == (1, 1)
    made = box.post(f"{box.path}/folders", 201, name="Projects/Moon")
    place = box.folder(made["id"])
    http = box.owner.http
    renamed = http.patch(place, json={"name": "Projects/Mars", "subscribed": False}).json()
    assert (renamed["name"], renamed["subscribed"]) == ("Projects/Mars", False)
    assert pointers(http.post(f"{box.path}/folders", json={"name": "a//b"})) == ["/name"]
    assert http.post(f"{box.path}/folders", json={"name": "inbox"}).status_code == 409
    assert http.delete(place).json()["deleted"] is True
    assert http.get(place).status_code == 404
    assert http.delete(box.folder("inbox")).status_code == 409


async def test_changes_since_a_moment_are_told(box: Box) -> None:
    first, second = await box.receive(letter(1)), await box.receive(letter(2))
    since = box.get(box.folder())["modseq"]
    box.owner.http.patch(box.folder("inbox", f"/messages/{first}"), json={"add": ["flagged", "$Work"]})
    box.owner.http.delete(box.folder("inbox", f"/messages/{second}"), params={"permanently": True})
    changes = box.get(box.folder("inbox", "/changes"), since=since)
    assert [(one["uid"], one["flags"]) for one in changes["changed"]] == [(first, ["flagged", "$Work"])]
    assert changes["vanished"] == [second]
    assert changes["is_complete"]
    assert box.get(box.folder("inbox", "/changes"), since=changes["modseq"])["changed"] == []
