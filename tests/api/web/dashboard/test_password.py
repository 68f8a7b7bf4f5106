"""A forgotten password: a link by mail, once, after which every browser is logged out."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text

from hourpost.accounts.passwords import hash_password
from hourpost.database import Database
from tests.api.web.dashboard.letters import link_in, newest_mail, own_mail_stopped
from tests.api.web.dashboard.people import Surfer, log_in, make_user, text_of
from tests.api.web.running import RunningWeb

NEW = "an entirely new sentence"


@pytest.fixture
async def user(database: Database, site: RunningWeb) -> Surfer:
    user_id, email = await make_user(database, await hash_password("the old password"))
    return await log_in(database, site.url, user_id, email)


async def test_the_link_sets_a_password_once_and_ends_every_session(
    nobody: Surfer, user: Surfer, database: Database
) -> None:
    nobody.post("/password", {"email": user.email})
    link = await link_in(database, user.email)
    token = link.partition("token=")[2]
    assert nobody.get(link).status_code == 200
    assert nobody.post("/password/new", {"token": token, "password": "short"}).status_code == 422
    assert nobody.post("/password/new", {"token": token, "password": NEW}).status_code == 303
    assert nobody.post("/password/new", {"token": token, "password": NEW}).status_code == 404
    assert user.get("/app/you").headers["location"].startswith("/login")
    assert nobody.post("/login", {"email": user.email, "password": NEW}).status_code == 303
    assert (await newest_mail(database, user.email))[0] == "Your password was changed"


def test_nobody_learns_whether_an_address_is_known(nobody: Surfer, user: Surfer) -> None:
    stranger = f"{uuid4().hex}@acme.test"
    known, unknown = (nobody.follow(nobody.post("/password", {"email": one})) for one in (user.email, stranger))
    assert user.email in text_of(known)
    assert text_of(known).replace(user.email, "") == text_of(unknown).replace(stranger, "")


async def test_the_answer_does_not_wait_for_what_only_a_known_address_needs(
    nobody: Surfer, user: Surfer, database: Database
) -> None:
    async with database.transaction() as connection:  # nothing that is stored for the link can be stored meanwhile
        await connection.execute(text("LOCK TABLE one_time_tokens IN ACCESS EXCLUSIVE MODE"))
        answers = [nobody.post("/password", {"email": one}) for one in (user.email, f"{uuid4().hex}@acme.test")]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert nobody.get(await link_in(database, user.email)).status_code == 200


def test_mails_cannot_be_asked_for_without_end(nobody: Surfer, user: Surfer) -> None:
    answers = [nobody.post("/password", {"email": user.email}).status_code for _ in range(5)]
    assert answers[:3] == [303] * 3
    assert 429 in answers


async def test_a_change_that_nobody_can_be_told_of_is_a_change_all_the_same(
    nobody: Surfer, user: Surfer, database: Database
) -> None:
    nobody.post("/password", {"email": user.email})
    token = (await link_in(database, user.email)).partition("token=")[2]
    async with own_mail_stopped(database):
        answer = nobody.post("/password/new", {"token": token, "password": NEW})
    assert answer.status_code == 303
    assert nobody.post("/login", {"email": user.email, "password": NEW}).status_code == 303
