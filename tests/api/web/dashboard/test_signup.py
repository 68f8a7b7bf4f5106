"""Signing up: nothing is there before the address is confirmed, and nobody learns who has signed up."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from hourpost.accounts.queries import find_user_by_email
from hourpost.database import Database
from hourpost.settings import Settings
from tests.api.web.dashboard.letters import link_in, newest_mail
from tests.api.web.dashboard.people import Surfer, make_cast, new_surfer, text_of
from tests.api.web.running import RunningWeb

PASSWORD = "a sentence to keep in mind"


def form(email: str, **changed: str) -> dict[str, str]:
    return {"name": "Grace Hopper", "account_name": "Cobol Ltd", "email": email, "password": PASSWORD} | changed


@pytest.fixture
def email() -> str:
    return f"grace-{uuid4().hex[:10]}@acme.test"


async def test_from_the_form_by_the_mail_to_the_first_page(nobody: Surfer, database: Database, email: str) -> None:
    joined = {"name": "Zoë \U0001f469\u200d\U0001f4bb Hopper", "account_name": "Cobol \U0001f469\u200d\U0001f4bb Ltd"}
    answer = nobody.follow(nobody.post("/signup", form(email.title(), **joined)))
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
    assert joined["account_name"] in home.text
    assert joined["name"] in nobody.get("/app/team").text


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


@pytest.fixture(scope="module")
def closed(
    assets: None, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWeb]:
    """A site on the same database whose operator says who gets in."""
    running = RunningWeb(
        Settings(
            _env_file=None,
            home=tmp_path_factory.mktemp("home"),
            database_url=database_url,
            redis_url=redis_url,
            secret_key="a secret of the tests, long enough",
            embedded=True,
            sign_up="closed",
            contact="https://ask.example/for-an-account",
            log_level="error",
        )
    )
    yield running
    running.stop()


async def test_where_signing_up_is_closed_the_page_says_who_to_ask(
    closed: RunningWeb, nobody: Surfer, database: Database, email: str
) -> None:
    nobody.post("/signup", form(email))
    link = await link_in(database, email)  # mailed before it was closed
    outside = new_surfer(closed.url)
    page = outside.get("/signup?plan=path")
    assert 'href="https://ask.example/for-an-account"' in page.text
    assert 'name="email"' not in page.text
    assert "Ask for an account" in outside.get("/login").text
    assert not any("/signup?plan=" in outside.get(path).text for path in ("/", "/pricing"))
    assert outside.post("/signup", form(email)).status_code == 403
    assert outside.get(link).status_code == 404
    answer = outside.post("/signup/confirm", {"token": link.partition("token=")[2]})
    assert "Signing up is closed here" in text_of(answer)
    async with database.reading() as connection:
        assert await find_user_by_email(connection, email) is None
    outside.http.close()


async def test_where_signing_up_is_closed_people_join_by_invitation_and_staff_make_accounts(
    closed: RunningWeb, own_account: None, database: Database, email: str
) -> None:
    cast = await make_cast(database, closed.url)
    cast["owner"].post("/app/team/invite", {"email": email, "role": "developer"})
    link = await link_in(database, email)
    given = {"token": link.partition("token=")[2], "name": "Grace Hopper", "password": PASSWORD}
    assert "you are a member" in text_of(cast["nobody"].follow(cast["nobody"].post("/invitation", given)))
    home = cast["nobody"].follow(cast["nobody"].post("/login", {"email": email, "password": PASSWORD}))
    assert cast.account.name in home.text
    assert "/app/accounts/new" not in home.text
    assert "ask.example" in cast["nobody"].get("/app/accounts/new").text
    assert cast["nobody"].post("/app/accounts/new", {"name": "My own"}).status_code == 403
    assert cast["staff"].post("/app/accounts/new", {"name": "Wanted"}).status_code == 303
    cast.close()
