"""An account whose plan has ended unpaid: new mail is asked to come again, what waits is told and kept."""

from __future__ import annotations

from datetime import UTC, datetime

from hourpost.accounts.changes import set_plan, switch_plan
from hourpost.database import Database
from tests.api.web.conftest import Customer
from tests.embedded.running import eventually


async def test_new_mail_is_asked_to_come_again_and_what_waits_is_told(owner: Customer, database: Database) -> None:
    async with database.transaction() as connection:
        await set_plan(connection, owner.account.id, "path", 2)
    waiting = [owner.send().json()["id"] for _ in range(3)][-1]
    async with database.transaction() as connection:
        await switch_plan(connection, owner.account.id, None, lapsed_at=datetime.now(UTC))
    eventually(lambda: owner.http.get("/v1/usage").json()["plan"] is None)  # as soon as the door has heard of it

    refused = owner.send()
    assert (refused.status_code, refused.json()["name"]) == (429, "rate_limit_exceeded")
    assert (refused.json()["limit"], refused.headers["retry-after"]) == ("plan", "3600")
    assert "ended unpaid" in refused.json()["message"]
    usage = owner.http.get("/v1/usage").json()
    assert (usage["plan"], usage["limit"], usage["used"], usage["held"]) == (None, 0, 2, 1)
    assert (usage["next_release_at"], usage["held_until"]) == (None, None)
    assert owner.http.get(f"/v1/emails/{waiting}").json()["status"] == "held"
    assert owner.http.post(f"/v1/emails/{waiting}/cancel").status_code == 200  # its owner may still take it back


async def test_what_waits_of_a_plan_that_was_taken_away_is_told_too(owner: Customer, database: Database) -> None:
    async with database.transaction() as connection:
        await set_plan(connection, owner.account.id, "path", 1)
    assert [owner.send().json()["status"] for _ in range(2)] == ["queued", "held"]
    async with database.transaction() as connection:
        await set_plan(connection, owner.account.id, None)
    eventually(lambda: owner.http.get("/v1/usage").json()["plan"] is None)
    usage = owner.http.get("/v1/usage").json()
    assert (usage["limit"], usage["used"], usage["remaining"], usage["held"]) == (0, 1, 0, 1)


async def test_test_mail_goes_on_without_a_plan(owner: Customer, database: Database) -> None:
    made = owner.http.post("/v1/api-keys", json={"name": "a test", "test": True}).json()
    async with database.transaction() as connection:
        await switch_plan(connection, owner.account.id, None, lapsed_at=datetime.now(UTC))
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert owner.http.post("/v1/emails", json=owner.email(), headers=headers).status_code == 202
