"""Signing up: nothing is there before the address is confirmed, and nobody learns who has signed up."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text

from hourpost.accounts.queries import find_user_by_email
from hourpost.database import Database
from tests.api.web.dashboard.letters import link_in, newest_mail
from tests.api.web.dashboard.people import Surfer, text_of

PASSWORD = "a sentence to keep in mind"


def form(email: str, **changed: str) -> dict[str, str]:
    return {"name": "Grace Hopper", "account_name": "Cobol Ltd", "email": email, "password": PASSWORD} | changed


@pytest.fixture
def email() -> str:
    return f"grace-{uuid4().hex[:10]}@acme.test"


async def test_from_the_form_by_the_mail_to_the_first_page(nobody: Surfer, database: Database, email: str) -> None:
    answer = nobody.follow(nobody.post("/signup", form(email.title())))
    assert email in text_of(answer)
    assert "Look into your mail" in text_of(nobody.get("/signup/mailed"))  # loaded once more, it sends nothing again
    async with database.reading() as connection:
        assert await find_user_by_email(connection, email) is None
    link = await link_in(database, email)
    page = nobody.get(link)
    assert email in page.text
    token = link.partition("token=")[2]
    done = nobody.post("/signup/confirm", {"token": token})
    assert "confirmed" in text_of(nobody.follow(done))
    home = nobody.follow(nobody.post("/login", {"email": email, "password": PASSWORD}))
    assert "Cobol Ltd" in home.text
    assert nobody.get("/app/team").text.count("Grace Hopper") >= 1


async def test_looking_at_the_link_does_not_use_it_up_and_pressing_the_button_does(
    nobody: Surfer, database: Database, email: str
) -> None:
    nobody.post("/signup", form(email))
    link = await link_in(database, email)
    assert nobody.get(link).status_code == nobody.get(link).status_code == 200
    token = link.partition("token=")[2]
    assert nobody.post("/signup/confirm", {"token": token}).status_code == 303
    assert nobody.post("/signup/confirm", {"token": token}).status_code == 404
    assert nobody.get(link).status_code == 404


async def test_who_signs_up_with_a_known_address_sees_the_same_and_is_mailed_otherwise(
    owner: Surfer, nobody: Surfer, database: Database, email: str
) -> None:
    known = nobody.follow(nobody.post("/signup", form(owner.email)))
    unknown = nobody.follow(nobody.post("/signup", form(email)))
    assert text_of(known).replace(owner.email, "") == text_of(unknown).replace(email, "")
    assert (await newest_mail(database, owner.email))[0] == "You have an account already"


async def test_neither_answer_waits_for_what_is_stored_for_an_unknown_address(
    owner: Surfer, nobody: Surfer, database: Database, email: str
) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("LOCK TABLE one_time_tokens IN ACCESS EXCLUSIVE MODE"))
        assert nobody.post("/signup", form(email)).status_code == 303
    assert nobody.get(await link_in(database, email)).status_code == 200


def test_all_that_is_wrong_is_said_at_once_and_what_was_typed_stays(nobody: Surfer) -> None:
    answer = nobody.post("/signup", form("not an address", name="", account_name="Kept Ltd"))
    assert answer.status_code == 422
    assert answer.text.count('class="fault"') == 2
    assert 'value="Kept Ltd"' in answer.text
    assert PASSWORD not in answer.text
    assert nobody.post("/signup", form("a@acme.test", password="short")).text.count('class="fault"') == 1


def test_every_fault_is_told_at_once(nobody: Surfer) -> None:
    answer = nobody.post("/signup", {"name": " ", "account_name": "", "email": "no", "password": "short"})
    assert answer.status_code == 422
    for name in ("name", "account_name", "email", "password"):
        assert f'id="{name}-fault"' in answer.text
