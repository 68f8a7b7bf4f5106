"""Webhooks in the dashboard: added, told, told again, let go."""

from __future__ import annotations

import re

from api.web.dashboard.webhooks import WORDS
from hourpost.database import Database
from hourpost.webhooks.kinds import KINDS
from tests.api.web.dashboard.mail import make_email, make_webhook
from tests.api.web.dashboard.people import Cast, Surfer


def test_a_webhook_is_added_and_shows_its_secret(owner: Surfer) -> None:
    form = {"endpoint": "https://hooks.example/mail", "events": "email.bounced"}
    where = owner.post("/app/webhooks", form).headers["location"]
    page = owner.get(where)
    assert re.search(r"<code>whsec_[^<]+</code>", page.text)
    assert "Enabled" in page.text
    owner.post(f"{where}/rotate")
    assert "gave a webhook a new secret" in owner.get("/app/audit").text
    owner.post(f"{where}/disable")
    assert "Disabled" in owner.get(where).text
    assert "changed a webhook" in owner.get("/app/audit").text
    assert owner.post(f"{where}/delete").headers["location"] == "/app/webhooks"
    assert owner.get(where).status_code == 404


def test_every_type_says_what_it_means() -> None:
    assert set(WORDS) == set(KINDS)


def test_faults_stand_beside_their_fields(owner: Surfer) -> None:
    answer = owner.post("/app/webhooks", {"endpoint": "ftp://x"})
    assert answer.status_code == 422
    assert 'id="endpoint-fault"' in answer.text
    assert "Must begin with https://." in answer.text  # without the name that programs know the field by
    assert 'id="events-fault"' in answer.text


async def test_a_call_shows_what_is_told_and_is_made_again(cast: Cast, owner: Surfer, database: Database) -> None:
    webhook_id = await make_webhook(database, cast.account)
    await make_email(database, cast.account, "ada@far.test")
    listed = owner.get(f"/app/webhooks/{webhook_id}").text
    assert "ada@far.test" in listed
    calls = re.findall(rf'href="(/app/webhooks/{webhook_id}/events/evt_[^"]+)"', listed)
    assert len(calls) == 1
    page = owner.get(calls[0])
    assert "ada@far.test" in page.text
    assert "Pending" in page.text
    assert owner.post(f"{calls[0]}/replay").status_code == 303
    for who, status in (("stranger", 404), ("viewer", 403)):
        assert cast[who].get(calls[0]).status_code == status
        assert cast[who].post(f"{calls[0]}/replay").status_code == status
        assert cast[who].post(f"/app/webhooks/{webhook_id}/delete").status_code == status


async def test_a_test_event_leads_to_what_becomes_of_it(cast: Cast, owner: Surfer, database: Database) -> None:
    webhook_id = await make_webhook(database, cast.account)
    where = owner.post(f"/app/webhooks/{webhook_id}/test").headers["location"]
    page = owner.get(where).text
    assert "A test event is on its way." in page
    assert '"from": "Acme &lt;hello@acme.example&gt;"' in page.replace("&#34;", '"')
    assert "Pending" in page
    owner.post(f"/app/webhooks/{webhook_id}/disable")
    assert owner.post(f"/app/webhooks/{webhook_id}/test").headers["location"] == f"/app/webhooks/{webhook_id}"
    page = owner.get(f"/app/webhooks/{webhook_id}").text
    assert "enable it first" in page
    assert "Send a test event</button>" not in page
