"""A person's own log-in: name, address, password, sessions."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from hourpost.accounts.queries import list_accounts_of
from hourpost.database import Database
from tests.api.web.dashboard.letters import link_in, newest_mail, own_mail_stopped
from tests.api.web.dashboard.people import Surfer, log_in, make_user, text_of
from tests.api.web.running import RunningWeb
from tests.fixtures.passwords import quick_hash

PASSWORD = "correct horse battery"


@pytest.fixture
async def user(database: Database, site: RunningWeb, own_account: None) -> Surfer:
    user_id, email = await make_user(database, quick_hash(PASSWORD))
    return await log_in(database, site.url, user_id, email)


async def again(database: Database, site: RunningWeb, user: Surfer) -> Surfer:
    assert user.user_id is not None
    return await log_in(database, site.url, user.user_id, user.email)


async def test_a_new_password_ends_every_other_session_and_renews_this_one(
    user: Surfer, database: Database, site: RunningWeb
) -> None:
    other, token = await again(database, site, user), user.token
    new = {"current_password": PASSWORD, "new_password": "a better one than before"}
    assert user.post("/app/you/password", new | {"current_password": "wrong wrong"}).status_code == 422
    assert user.post("/app/you/password", new).status_code == 303
    assert user.token != token
    assert user.get("/app/you").status_code == 200
    assert other.get("/app/you").status_code == 303


async def test_one_browser_logs_another_out(user: Surfer, database: Database, site: RunningWeb) -> None:
    other = await again(database, site, user)
    sessions = re.findall(r"/app/you/sessions/(ses_\w+)/end", user.get("/app/you").text)
    assert len(sessions) == 1  # one's own is not offered
    assert user.post(f"/app/you/sessions/{sessions[0]}/end").status_code == 303
    assert other.get("/app/you").status_code == 303


async def test_nobody_ends_the_session_of_another_person(user: Surfer, owner: Surfer) -> None:
    await_page = owner.get("/app/you").text
    assert "ses_" not in await_page
    assert user.post("/app/you/sessions/ses_00000000000000000000000000/end").status_code == 404


async def test_a_new_address_counts_once_it_is_confirmed(user: Surfer, database: Database) -> None:
    new = f"new-{uuid4().hex[:8]}@acme.test"
    assert user.post("/app/you/address", {"email": new}).status_code == 303
    assert user.email in user.get("/app/you").text
    link = await link_in(database, new)
    assert new in user.get(link).text
    assert user.post("/address", {"token": link.partition("token=")[2]}).status_code == 303
    assert new in text_of(user.get("/app/you"))
    assert new in (await newest_mail(database, user.email))[1]


async def test_a_new_address_counts_though_the_old_one_cannot_be_told(user: Surfer, database: Database) -> None:
    new = f"new-{uuid4().hex[:8]}@acme.test"
    user.post("/app/you/address", {"email": new})
    link = await link_in(database, new)
    async with own_mail_stopped(database):
        assert user.post("/address", {"token": link.partition("token=")[2]}).status_code == 303
    assert new in text_of(user.get("/app/you"))


def test_who_belongs_to_no_account_is_offered_one(user: Surfer) -> None:
    assert user.get("/app").headers["location"] == "/app/accounts/new"
    assert user.get("/app/accounts/new").status_code == 200
    assert "Mine" in user.follow(user.post("/app/accounts/new", {"name": "Mine"})).text
    assert user.get("/app/you").status_code == 200


async def test_who_has_the_address_already_is_told_what_was_wanted(user: Surfer, database: Database) -> None:
    _, taken = await make_user(database)
    assert user.post("/app/you/address", {"email": taken}).status_code == 303
    assert (await newest_mail(database, taken))[0] == "Your address is in use already"


async def test_who_changes_the_password_still_looks_at_the_same_account(user: Surfer) -> None:
    for name in ("First", "Second"):
        user.post("/app/accounts/new", {"name": f"{name} account"})
    new = {"current_password": PASSWORD, "new_password": "a better one than before"}
    assert user.post("/app/you/password", new).status_code == 303
    assert "<title>Settings" in user.get("/app/account").text
    assert 'value="Second account"' in user.get("/app/account").text


async def test_what_follows_a_lost_answer_is_chosen(user: Surfer) -> None:
    user.post("/app/accounts/new", {"name": "Mine"})
    assert re.search(r'value="retry" required checked', user.get("/app/account").text)
    assert user.post("/app/account/lost-answers", {"policy": "both"}).status_code == 422
    user.post("/app/account/lost-answers", {"policy": "park"})
    page = user.get("/app/account").text
    assert re.search(r'value="park" required checked', page)
    assert 'value="Mine"' in page
    assert "chose what follows a lost answer" in user.get("/app/audit").text


async def test_an_account_goes_by_the_new_address_of_its_owner(user: Surfer, database: Database) -> None:
    user.post("/app/accounts/new", {"name": "Mine"})
    new = f"new-{uuid4().hex[:8]}@acme.test"
    user.post("/app/you/address", {"email": new})
    link = await link_in(database, new)
    assert user.post("/address", {"token": link.partition("token=")[2]}).status_code == 303
    async with database.reading() as connection:
        account, _ = (await list_accounts_of(connection, user.user_id))[0]
    assert account.email == new
