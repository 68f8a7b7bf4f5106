"""Domains by REST: how their mail is signed, and the records that follow from it."""

from __future__ import annotations

from typing import Any

import pytest

from hourpost.accounts.audit import list_entries
from hourpost.database import Database
from hourpost.pages import Cursor
from tests.api.web.conftest import Customer


def keys_of(domain: dict[str, Any]) -> list[str]:
    """The statuses of its DKIM records."""
    return [one["status"] for one in domain["records"] if one["record"] == "DKIM"]


@pytest.mark.parametrize("root", ["/v1", ""])
async def test_a_second_signature_is_asked_for_and_given_up(owner: Customer, database: Database, root: str) -> None:
    name = f"signed-{owner.domain.name}"
    made = owner.http.post(f"{root}/domains", json={"name": name}).json()
    assert (made["signs_ed25519"], keys_of(made)) == (False, ["not_started"])
    where = f"{root}/domains/{made['id']}"
    for _ in range(2):  # asking for what is there already changes nothing, and nobody writes it down
        changed = owner.http.patch(where, json={"signs_ed25519": True}).json()
        assert (changed["signs_ed25519"], keys_of(changed)) == (True, ["not_started"] * 2)
    assert keys_of(owner.http.post(f"{where}/verify").json()) == ["verified"] * 2
    assert owner.http.patch(where, json={}).json()["signs_ed25519"]
    assert keys_of(owner.http.patch(where, json={"signs_ed25519": False}).json()) == ["verified"]
    again = owner.http.patch(where, json={"signs_ed25519": True}).json()
    assert keys_of(again) == ["verified", "pending"]  # its record has not been looked for since
    async with database.reading() as connection:
        told = (await list_entries(connection, owner.account.id, Cursor(limit=50))).data[::-1]
    asked = [(one.detail["name"], one.detail["ed25519"]) for one in told if one.action == "domain_changed"]
    assert asked == [(name, "on"), (name, "off"), (name, "on")]


def test_a_domain_is_made_with_a_second_signature(owner: Customer) -> None:
    made = owner.http.post("/v1/domains", json={"name": f"two-{owner.domain.name}", "signs_ed25519": True}).json()
    assert (made["signs_ed25519"], len(keys_of(made))) == (True, 2)
    assert owner.http.get(f"/v1/domains/{made['id']}").json()["signs_ed25519"]


@pytest.mark.parametrize("body", [{"signs_ed25519": "perhaps"}, {"signs_ed448": True}])
def test_what_is_no_choice_is_refused_by_its_field(owner: Customer, body: dict[str, Any]) -> None:
    answer = owner.http.patch(f"/v1/domains/{owner.domain.public_id}", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(body))}"
