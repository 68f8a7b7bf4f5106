"""Mailboxes in the dashboard: made, changed, closed and opened again."""

from __future__ import annotations

import re

import pytest

from hourpost.database import Database
from hourpost.domains.queries import Domain
from tests.api.web.dashboard.people import Cast, Surfer, text_of
from tests.cast import make_domain

PASSWORD = "correct horse battery"


@pytest.fixture
async def domain(cast: Cast, database: Database) -> Domain:
    return await make_domain(database, cast.account)


def make(owner: Surfer, domain: Domain, **fields: str) -> str:
    form = {"address": "ada", "domain": domain.name, "new_password": PASSWORD, "quota": "2", "name": "Ada"} | fields
    answer = owner.post("/app/mailboxes", form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_mailbox_is_made_and_changed(owner: Surfer, domain: Domain) -> None:
    where = make(owner, domain)
    assert f"ada@{domain.name}" in owner.get("/app/mailboxes").text
    change = {"name": "Ada L.", "quota": "0.5", "forward_to": "ada@far.test", "keeps_forwarded": "on"}
    assert owner.post(where, change).status_code == 303
    page = owner.get(where).text
    assert 'value="0.5"' in page
    assert 'value="ada@far.test"' in page
    owner.post(f"{where}/aliases", {"alias": f"support@{domain.name}"})
    owner.post(f"{where}/catch-all", {"wanted": "yes"})
    listed = owner.get("/app/mailboxes").text
    assert f"support@{domain.name}" in listed
    owner.post(f"{where}/aliases/remove", {"alias": f"support@{domain.name}"})
    assert f"support@{domain.name}" not in owner.get("/app/mailboxes").text


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"address": "a b"}, "address"), ({"quota": "much"}, "quota"), ({"new_password": "short"}, "new_password")],
)
def test_faults_stand_beside_their_fields(owner: Surfer, domain: Domain, fields: dict[str, str], name: str) -> None:
    form = {"address": "ada", "domain": domain.name, "new_password": PASSWORD, "quota": "2"} | fields
    answer = owner.post("/app/mailboxes", form)
    assert answer.status_code == 422
    assert f'id="{name}-fault"' in answer.text


def test_an_app_password_is_shown_once_and_revoked(cast: Cast, owner: Surfer, domain: Domain) -> None:
    where = make(owner, domain)
    answer = owner.post(f"{where}/app-passwords", {"app_name": "Phone", "scopes": "imap"})
    secrets = re.findall(r'<dd><div class="copy"><code>([^<]+)</code>', answer.text)
    page = owner.get(where).text
    assert secrets[1] not in page
    assert "Phone" in page
    wanted = re.search(r'name="id" value="(apw_[^"]+)"', page)
    assert wanted
    for who, status in (("stranger", 404), ("viewer", 403), ("owner", 303)):
        assert cast[who].post(f"{where}/app-passwords/revoke", {"id": wanted[1]}).status_code == status
    assert "apw_" not in owner.get(where).text


def test_it_is_closed_and_opened_again(cast: Cast, owner: Surfer, domain: Domain) -> None:
    where = make(owner, domain)
    assert cast["stranger"].post(f"{where}/delete").status_code == 404
    owner.post(f"{where}/delete")
    assert "This mailbox is closed" in owner.get(where).text
    assert "Closed in the last 30 days" in owner.get("/app/mailboxes").text
    assert f'href="{where}"' in owner.get("/app/mailboxes").text
    assert cast["viewer"].post(f"{where}/restore").status_code == 403
    owner.post(f"{where}/restore")
    assert "Set up a mail program" in owner.get(where).text


def test_who_opens_a_mailbox_to_others_is_in_the_audit_log(owner: Surfer, domain: Domain) -> None:
    where, name = make(owner, domain), f"name: ada@{domain.name}"
    owner.post(where, {"quota": "2", "name": "Ada", "forward_to": "eve@far.test", "keeps_forwarded": "on"})
    owner.post(where, {"quota": "3", "name": "Ada", "forward_to": "eve@far.test", "keeps_forwarded": "on"})
    owner.post(f"{where}/password", {"new_password": "another horse battery"})
    owner.post(f"{where}/app-passwords", {"app_name": "Phone", "scopes": "imap"})
    wanted = re.search(r'name="id" value="(apw_[^"]+)"', owner.get(where).text)
    assert wanted
    owner.post(f"{where}/app-passwords/revoke", {"id": wanted[1]})
    owner.post(f"{where}/aliases", {"alias": f"eve@{domain.name}"})
    owner.post(f"{where}/aliases", {"alias": "eve@of-nobody.test"})
    owner.post(f"{where}/aliases/remove", {"alias": f"eve@{domain.name}"})
    owner.post(f"{where}/catch-all", {"wanted": "yes"})
    owner.post(f"{where}/delete")
    owner.post(f"{where}/restore")
    told = text_of(owner.get("/app/audit"))
    assert told.count("changed where a mailbox forwards to") == 1
    assert "to: eve@far.test" in told
    assert f"made an app password {name}; app password: Phone" in told
    assert told.count("gave a mailbox another address") == 1
    for done in ("gave a mailbox another address", "took an address from a mailbox"):
        assert f"{done} {name}; alias: eve@{domain.name}" in told
    assert f"changed a mailbox {name}; catch all: yes" in told
    for done in ("changed the password of a mailbox", "revoked an app password", "opened a mailbox again"):
        assert f"{done} {name}" in told
