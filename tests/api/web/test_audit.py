"""What an API key does to its account stands in the audit log, with its name and where it came from."""

from __future__ import annotations

from typing import Any

import pytest

from hourpost.accounts.audit import Entry, list_entries
from hourpost.credentials.changes import NewCredential
from hourpost.database import Database
from hourpost.pages import Cursor
from tests.api.web.conftest import Customer, client_of
from tests.api.web.running import RunningWeb
from tests.cast import make_key

PASSWORD = "a long password"
NEW: dict[str, dict[str, Any]] = {
    "domains": {"name": "another.example"},
    "api-keys": {"name": "shop"},
    "smtp-credentials": {"name": "printer"},
    "webhooks": {"endpoint": "https://acme.example/hooks", "events": ["email.sent"]},
}


@pytest.fixture
async def entries(owner: Customer, database: Database) -> Any:
    """The audit log of the owner's account, the oldest first."""

    async def read() -> list[Entry]:
        async with database.reading() as connection:
            return (await list_entries(connection, owner.account.id, Cursor(limit=50))).data[::-1]

    return read


def act(owner: Customer, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = owner.http.request(method, f"/v1/{path}", json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


async def test_what_is_made_and_ended_by_a_key_is_written_down(owner: Customer, entries: Any) -> None:
    for noun, body in NEW.items():
        made = act(owner, "POST", noun, body)
        act(owner, "DELETE", f"{noun}/{made['id']}")
    route = act(owner, "POST", "inbound/routes", {"pattern": f"x@{owner.domain.name}", "url": "https://a.example/in"})
    act(owner, "DELETE", f"inbound/routes/{route['id']}")
    assert [(one.action, one.detail["name"]) for one in await entries()] == [
        ("domain_added", "another.example"),
        ("domain_deleted", "another.example"),
        ("api_key_made", "shop"),
        ("api_key_revoked", "shop"),
        ("smtp_made", "printer"),
        ("smtp_revoked", "printer"),
        ("webhook_added", "https://acme.example/hooks"),
        ("webhook_deleted", "https://acme.example/hooks"),
        ("route_added", f"x@{owner.domain.name}"),
        ("route_deleted", f"x@{owner.domain.name}"),
    ]


async def test_what_a_key_does_to_a_mailbox_is_written_down(owner: Customer, entries: Any) -> None:
    address = f"ada@{owner.domain.name}"
    box = f"mailboxes/{act(owner, 'POST', 'mailboxes', {'address': address, 'password': PASSWORD})['id']}"
    act(owner, "PATCH", box, {"password": "another password", "forward_to": ["x@example.net"], "name": "Ada"})
    secret = act(owner, "POST", f"{box}/app-passwords", {"name": "phone"})
    act(owner, "DELETE", f"{box}/app-passwords/{secret['id']}")
    act(owner, "POST", f"{box}/aliases", {"alias": f"a@{owner.domain.name}"})
    act(owner, "DELETE", f"{box}/aliases/a@{owner.domain.name}")
    act(owner, "DELETE", box)
    for _ in range(2):  # the second time it changes nothing
        act(owner, "POST", f"{box}/restore")
    told = await entries()
    assert [one.action for one in told] == [
        "mailbox_made",
        "mailbox_password_changed",
        "mailbox_forwarding_changed",
        "mailbox_changed",
        "app_password_made",
        "app_password_revoked",
        "alias_added",
        "alias_removed",
        "mailbox_deleted",
        "mailbox_restored",
    ]
    assert {one.detail["name"] for one in told} == {address}
    assert PASSWORD not in str(told)


async def test_the_key_is_named_and_where_it_came_from(
    owner: Customer, web: RunningWeb, database: Database, entries: Any
) -> None:
    key = await make_key(database, owner.account, NewCredential("deploy"))
    with client_of(web, key.secret) as http:
        hook = http.post("/v1/webhooks", json=NEW["webhooks"]).json()
        http.patch(f"/v1/webhooks/{hook['id']}", json={"status": "disabled"})
        http.post(f"/v1/webhooks/{hook['id']}/signing-secret/rotate")
        http.post("/v1/webhooks", json={"endpoint": "http://no.example", "events": ["email.sent"]})  # refused
    told = await entries()
    assert {(one.actor, one.user_id, one.address) for one in told} == {("API key deploy", None, "127.0.0.1")}
    assert [one.action for one in told] == ["webhook_added", "webhook_changed", "webhook_secret_rotated"]


async def test_what_a_key_suppresses_is_written_down(owner: Customer, entries: Any) -> None:
    act(owner, "POST", "suppressions", {"email": "A@far.test"})
    act(owner, "POST", "suppressions/batch/add", {"emails": ["b@far.test", "c@far.test"]})
    act(owner, "DELETE", "suppressions/b@far.test")
    assert [(one.action, one.detail["name"]) for one in await entries()] == [
        ("suppression_added", "a@far.test"),
        ("suppression_added", "b@far.test, c@far.test"),
        ("suppression_removed", "b@far.test"),
    ]
