"""Domains in the dashboard: added, proven, let go."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from hourpost.database import Database
from tests.api.web.dashboard.people import Cast, Surfer
from tests.cast import make_domain


def test_a_domain_speaks_in_the_letters_in_which_it_was_typed(owner: Surfer) -> None:
    page = owner.follow(owner.post("/app/domains", {"name": f"M\u00fcller{uuid4().hex[:8]}.test"}))
    assert re.search(r"<h1>m\u00fcller\w+\.test</h1><p>In the DNS its name is xn--mller\w+-\w+\.test\.", page.text)
    assert "_dmarc.xn--mller" in page.text
    assert re.search(
        r">m\u00fcller\w+\.test</a><br><span class=\"small muted\">xn--mller", owner.get("/app/domains").text
    )


def test_a_domain_is_added_proven_and_deleted(owner: Surfer) -> None:
    name = f"d{uuid4().hex[:12]}.test"
    where = owner.post("/app/domains", {"name": name}).headers["location"]
    page = owner.get(where)
    assert f"_domainkey.{name}" in page.text
    assert "Not looked up" in page.text
    owner.post(f"{where}/verify")
    assert "You can send from this domain" in owner.get(where).text
    assert name in owner.get("/app/domains").text
    assert owner.post(f"{where}/delete").headers["location"] == "/app/domains"
    assert owner.get(where).status_code == 404


async def test_a_second_signature_is_turned_on_and_off(cast: Cast, owner: Surfer, database: Database) -> None:
    domain = await make_domain(database, cast.account)
    where = f"/app/domains/{domain.public_id}"
    second = f"-ed25519._domainkey.{domain.name}"
    assert second not in owner.get(where).text
    owner.post(f"{where}/signatures", {"signs_ed25519": "on"})
    assert second in owner.get(where).text
    assert "Sign with RSA alone" in owner.get(where).text
    assert "Sign with" not in cast["viewer"].get(where).text
    owner.post(f"{where}/signatures")
    assert second not in owner.get(where).text
    assert owner.get("/app/audit").text.count("changed a domain") == 2


async def test_what_is_there_comes_before_the_form_for_more(cast: Cast, database: Database) -> None:
    form = '<details class="card fold" open>'
    assert form in cast["stranger"].get("/app/domains").text
    await make_domain(database, cast.account)
    assert form not in cast["owner"].get("/app/domains").text
    assert form in cast["owner"].post("/app/domains", {"name": "not a domain"}).text


async def test_what_only_mailboxes_need_stands_apart(cast: Cast, database: Database) -> None:
    domain = await make_domain(database, cast.account)
    sending, _, mailboxes = (
        cast["owner"].get(f"/app/domains/{domain.public_id}").text.partition("Records for mailboxes")
    )
    assert "_domainkey" in sending
    assert "_imaps._tcp" not in sending
    assert "IMAP with TLS" in mailboxes
    assert f"_imaps._tcp.{domain.name}" in mailboxes


def test_what_is_no_domain_is_said_beside_the_field(owner: Surfer) -> None:
    answer = owner.post("/app/domains", {"name": "not a domain"})
    assert answer.status_code == 422
    assert 'id="name-fault"' in answer.text
    assert 'value="not a domain"' in answer.text


@pytest.mark.parametrize("who", ["viewer", "billing", "stranger"])
async def test_only_who_develops_deletes_it(cast: Cast, database: Database, who: str) -> None:
    domain = await make_domain(database, cast.account)
    answer = cast[who].post(f"/app/domains/{domain.public_id}/delete")
    assert answer.status_code == (404 if who == "stranger" else 403)
    assert domain.name in cast["owner"].get("/app/domains").text
