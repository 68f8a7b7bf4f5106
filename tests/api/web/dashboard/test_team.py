"""Members and invitations."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from hourpost.accounts.passwords import hash_password
from hourpost.accounts.queries import User, get_user
from hourpost.database import Database
from hourpost.errors import Conflict
from hourpost.rules.ids import to_text
from hourpost.users.leaving import delete_user
from hourpost.users.queries import USER_PREFIX
from tests.api.web.dashboard.letters import link_in, own_mail_stopped
from tests.api.web.dashboard.people import Cast, Surfer, log_in, make_user, new_surfer, text_of
from tests.api.web.running import RunningWeb


def path_of(surfer: Surfer, action: str) -> str:
    assert surfer.user_id is not None
    return f"/app/team/{to_text(USER_PREFIX, surfer.user_id)}/{action}"


@pytest.fixture
def email() -> str:
    return f"guest-{uuid4().hex[:10]}@acme.test"


async def invite(cast: Cast, database: Database, email: str, role: str = "developer") -> str:
    assert cast["admin"].post("/app/team/invite", {"email": email, "role": role}).status_code == 303
    return (await link_in(database, email)).partition("token=")[2]


async def test_somebody_new_makes_a_log_in_by_accepting(
    cast: Cast, database: Database, site: RunningWeb, email: str
) -> None:
    token = await invite(cast, database, email)
    guest = new_surfer(site.url)
    assert cast.account.name in guest.get(f"/invitation?token={token}").text
    accept = {"token": token, "name": "Joan Clarke", "password": "a sentence to keep"}
    assert guest.post("/invitation", accept).headers["location"] == "/login"
    assert guest.post("/invitation", accept).status_code == 404
    guest.post("/login", {"email": email, "password": "a sentence to keep"})
    assert cast.account.name in guest.get("/app").text
    assert "member_joined" not in cast["owner"].get("/app/audit").text
    assert "joined" in text_of(cast["owner"].get("/app/audit"))


async def test_who_has_a_log_in_joins_with_it_and_switches_between_accounts(
    cast: Cast, database: Database, site: RunningWeb
) -> None:
    user_id, email = await make_user(database)
    known = await log_in(database, site.url, user_id, email)
    token = await invite(cast, database, email, "viewer")
    assert known.post("/invitation", {"token": token}).headers["location"] == "/app"
    assert cast.account.name in known.get("/app").text
    assert known.post("/app/accounts/choose", {"account": cast.account.public_id}).status_code == 303


async def test_an_invitation_is_for_its_address_alone(cast: Cast, database: Database, email: str) -> None:
    token = await invite(cast, database, email)
    assert "logged in as" in text_of(cast["stranger"].get(f"/invitation?token={token}"))
    assert cast["stranger"].post("/invitation", {"token": token}).status_code == 404
    assert cast.account.name not in cast["stranger"].get("/app").text


async def test_a_withdrawn_invitation_is_worth_nothing(cast: Cast, database: Database, email: str) -> None:
    token = await invite(cast, database, email)
    page = cast["owner"].get("/app/team").text
    path = page.partition('action="/app/team/invitations/')[2].partition('"')[0]
    assert cast["owner"].post(f"/app/team/invitations/{path}").status_code == 303
    assert cast["nobody"].get(f"/invitation?token={token}").status_code == 404


def test_a_role_counts_from_the_next_request_on(cast: Cast) -> None:
    assert cast["viewer"].get("/app/audit").status_code == 403
    assert cast["admin"].post(path_of(cast["viewer"], "role"), {"role": "admin"}).status_code == 303
    assert cast["viewer"].get("/app/audit").status_code == 200
    cast["admin"].post(path_of(cast["viewer"], "remove"))
    assert cast["viewer"].get("/app/team").headers["location"] == "/app/accounts/new"


def test_an_admin_neither_makes_nor_unmakes_an_owner(cast: Cast) -> None:
    assert cast["admin"].post(path_of(cast["admin"], "role"), {"role": "owner"}).status_code == 422
    assert cast["admin"].post(path_of(cast["owner"], "remove")).status_code == 422
    assert cast["owner"].get("/app/audit").status_code == 200


def test_an_account_keeps_an_owner(cast: Cast) -> None:
    assert cast["owner"].post(path_of(cast["owner"], "remove")).status_code == 422
    assert cast["owner"].post(path_of(cast["owner"], "role"), {"role": "viewer"}).status_code == 422
    cast["owner"].post(path_of(cast["admin"], "role"), {"role": "owner"})
    assert cast["owner"].post(path_of(cast["owner"], "remove")).status_code == 303


def test_everybody_may_leave(cast: Cast) -> None:
    for who in ("developer", "viewer", "billing"):
        assert cast[who].post(path_of(cast[who], "remove")).status_code == 303
        assert cast[who].get("/app").headers["location"] == "/app/accounts/new"


async def test_nobody_is_invited_while_nothing_can_be_mailed(cast: Cast, database: Database, email: str) -> None:
    async with own_mail_stopped(database):
        assert cast["owner"].post("/app/team/invite", {"email": email, "role": "viewer"}).status_code == 422
    assert email not in cast["owner"].get("/app/team").text
    assert email not in cast["owner"].get("/app/audit").text


async def test_who_has_a_log_in_comes_from_the_mail_over_the_log_in_to_the_account(
    cast: Cast, database: Database, site: RunningWeb
) -> None:
    _, email = await make_user(database, await hash_password("a sentence to keep"))
    token = await invite(cast, database, email, "billing")
    guest = new_surfer(site.url)
    page = guest.get(f"/invitation?token={token}").text
    assert 'name="password"' not in page
    following = parse_qs(urlsplit(re.findall(r'href="(/login\?next=[^"]+)"', page)[0]).query)["next"][0]
    answer = guest.post("/login", {"email": email, "password": "a sentence to keep", "next": following})
    assert "Accept" in guest.follow(answer).text
    assert cast.account.name in guest.follow(guest.post("/invitation", {"token": token})).text


async def test_an_invitation_ends_by_itself_and_makes_room_for_another(
    cast: Cast, database: Database, site: RunningWeb, email: str
) -> None:
    token = await invite(cast, database, email)
    async with database.transaction() as connection:
        ended = text("UPDATE invitations SET expires_at = created_at WHERE email = :email")
        await connection.execute(ended, {"email": email})
    guest = new_surfer(site.url)
    accept = {"token": token, "name": "Joan Clarke", "password": "a sentence to keep"}
    assert guest.get(f"/invitation?token={token}").status_code == 404
    assert guest.post("/invitation", accept).status_code == 404
    assert email not in cast["owner"].get("/app/team").text
    newer = await invite(cast, database, email)
    assert guest.post("/invitation", accept | {"token": newer}).status_code == 303


async def test_an_invitation_to_an_address_that_its_owner_has_left_is_not_theirs(
    cast: Cast, database: Database, site: RunningWeb
) -> None:
    user_id, email = await make_user(database)
    known = await log_in(database, site.url, user_id, email)
    token = await invite(cast, database, email)
    async with database.transaction() as connection:
        values = {"id": user_id, "email": f"new-{email}"}
        await connection.execute(text("UPDATE users SET email = :email WHERE id = :id"), values)
    assert known.post("/invitation", {"token": token}).status_code == 404
    assert cast.account.name not in known.get("/app/accounts/new").text


async def test_of_two_owners_who_delete_their_log_ins_at_once_one_stays(cast: Cast, database: Database) -> None:
    cast["owner"].post(path_of(cast["admin"], "role"), {"role": "owner"})
    async with database.reading() as connection:
        first, second = [await get_user(connection, _id_of(cast[who])) for who in ("owner", "admin")]

    async def leave(user: User) -> None:
        async with database.transaction() as connection:
            await delete_user(connection, user)

    async with database.transaction() as connection:
        await delete_user(connection, first)
        leaving = asyncio.create_task(leave(second))
        await asyncio.wait({leaving}, timeout=0.5)  # it waits for what becomes of the first
    with pytest.raises(Conflict):
        await leaving


def _id_of(surfer: Surfer) -> UUID:
    assert surfer.user_id is not None
    return surfer.user_id
