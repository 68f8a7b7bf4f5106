"""Second factors: what a password alone is worth, codes by app, recovery codes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pyotp
import pytest
from sqlalchemy import insert, text

from hourpost import tables
from hourpost.accounts.queries import find_user_by_email
from hourpost.database import Database
from hourpost.rules.ids import new_id, to_text
from hourpost.users.recovery import count_codes
from hourpost.users.second_factor import drop_factors
from hourpost.users.totp import matching_step
from tests.api.web.dashboard.letters import link_in, newest_mail, own_mail_stopped
from tests.api.web.dashboard.people import Surfer, join, log_in, make_user, new_surfer, text_of
from tests.api.web.running import RunningWeb
from tests.cast import make_account
from tests.fixtures.passwords import quick_hash

PASSWORD = "correct horse battery"


@pytest.fixture
async def user(database: Database, site: RunningWeb, own_account: None) -> Surfer:
    user_id, email = await make_user(database, quick_hash(PASSWORD))
    await join(database, await make_account(database), user_id, "owner")
    return await log_in(database, site.url, user_id, email)


@pytest.fixture
def protected(user: Surfer) -> tuple[Surfer, str, list[str]]:
    """A user with codes by app: the secret, and recovery codes."""
    page = user.post("/app/you/totp")
    secret = re.findall(r"<code>([A-Z2-7]{32})</code>", page.text)[0]
    token = re.findall(r'name="token" value="([^"]+)"', page.text)[0]
    assert user.post("/app/you/totp/on", {"token": token, "code": "000000"}).status_code == 422
    done = user.post("/app/you/totp/on", {"token": token, "code": pyotp.TOTP(secret).now()})
    codes = re.findall(r"<li>((?:[a-z2-9]{4}-){3}[a-z2-9]{4})</li>", done.text)
    assert len(codes) == 10
    return user, secret, codes


async def test_recovery_codes_are_shown_though_nobody_can_be_told_by_mail(user: Surfer, database: Database) -> None:
    page = user.post("/app/you/totp")
    secret = re.findall(r"<code>([A-Z2-7]{32})</code>", page.text)[0]
    token = re.findall(r'name="token" value="([^"]+)"', page.text)[0]
    async with own_mail_stopped(database):
        done = user.post("/app/you/totp/on", {"token": token, "code": pyotp.TOTP(secret).now()})
        assert done.status_code == 200
        assert len(re.findall(r"<li>((?:[a-z2-9]{4}-){3}[a-z2-9]{4})</li>", done.text)) == 10
        assert user.post("/app/you/totp/off").status_code == 303


def half_way(site: RunningWeb, user: Surfer) -> Surfer:
    surfer = new_surfer(site.url)
    answer = surfer.post("/login", {"email": user.email, "password": PASSWORD})
    assert surfer.follow(answer).request.url.path == "/login/second"
    return surfer


def test_the_password_alone_opens_nothing(site: RunningWeb, protected: tuple[Surfer, str, list[str]]) -> None:
    surfer = half_way(site, protected[0])
    for path in ("/app", "/app/you", "/app/hour"):
        assert surfer.get(path).headers["location"].startswith("/login/second")
    assert surfer.get("/app/emails?status=held").headers["location"] == "/login/second?next=/app/emails%3Fstatus%3Dheld"
    assert surfer.get("/login/second").status_code == 200


async def test_a_code_lets_in_once(
    site: RunningWeb, database: Database, protected: tuple[Surfer, str, list[str]]
) -> None:
    user, secret, _ = protected
    async with database.transaction() as connection:  # as if the code of turning it on were long ago
        await connection.execute(text("UPDATE users SET totp_step = 1 WHERE id = :id"), {"id": user.user_id})
    code = pyotp.TOTP(secret).now()
    surfer, late = half_way(site, user), half_way(site, user)
    token = surfer.token
    assert surfer.post("/login/second", {"code": code}).headers["location"] == "/login?kept=asked&next=/app"
    assert surfer.token != token
    assert surfer.get("/app").status_code == 200
    assert late.post("/login/second", {"code": code}).status_code == 422


async def test_a_recovery_code_lets_in_once(
    site: RunningWeb, database: Database, protected: tuple[Surfer, str, list[str]]
) -> None:
    user, _, codes = protected
    surfer = half_way(site, user)
    assert surfer.post("/login/second", {"code": codes[0].upper()}).status_code == 303
    subject, told = await newest_mail(database, user.email)
    assert (subject, "9 codes are left" in told) == ("A recovery code was used", True)
    assert "9 codes left" in text_of(surfer.get("/app/you"))
    assert half_way(site, user).post("/login/second", {"code": codes[0]}).status_code == 422


def test_codes_cannot_be_guessed_one_after_the_other(
    site: RunningWeb, protected: tuple[Surfer, str, list[str]]
) -> None:
    surfer = half_way(site, protected[0])
    answers = [surfer.post("/login/second", {"code": f"{number:06}"}).status_code for number in range(7)]
    assert answers[-1] == 429


def test_turned_off_the_password_is_enough_again(site: RunningWeb, protected: tuple[Surfer, str, list[str]]) -> None:
    user = protected[0]
    assert user.post("/app/you/totp/off").status_code == 303
    surfer = new_surfer(site.url)
    assert (
        surfer.post("/login", {"email": user.email, "password": PASSWORD}).headers["location"]
        == "/login?kept=asked&next=/app"
    )


def test_who_has_shown_the_second_factor_is_not_led_back_to_it(
    site: RunningWeb, protected: tuple[Surfer, str, list[str]]
) -> None:
    surfer = half_way(site, protected[0])
    answer = surfer.post("/login/second", {"code": protected[2][0], "next": "/login/second?next=/app"})
    assert answer.headers["location"] == "/login?kept=asked&next=/app"
    again = surfer.get("/login/second").headers["location"]  # by the browser's arrow back
    assert surfer.get(again).headers["location"] == "/app"


async def test_who_has_lost_every_factor_is_let_in_by_an_operator(
    site: RunningWeb, database: Database, protected: tuple[Surfer, str, list[str]]
) -> None:
    user = protected[0]
    page = text_of(half_way(site, user).get("/login/second"))
    assert "ask who runs this installation, who can turn this step off for you" in page
    user.post("/app/you/address", {"email": "elsewhere@far.test"})
    link = await link_in(database, "elsewhere@far.test")
    async with database.transaction() as connection:
        found = await find_user_by_email(connection, user.email)
        assert found
        await drop_factors(connection, found, datetime.now(UTC))
        assert not await count_codes(connection, found.id)
    assert user.post("/address", {"token": link.partition("token=")[2]}).status_code == 404
    assert user.get("/app").headers["location"].startswith("/login")
    surfer = new_surfer(site.url)
    assert (
        surfer.post("/login", {"email": user.email, "password": PASSWORD}).headers["location"]
        == "/login?kept=asked&next=/app"
    )


async def test_what_is_dangerous_asks_again_who_one_is(user: Surfer, database: Database) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    async with database.transaction() as connection:
        statement = text("UPDATE sessions SET proven_at = :at WHERE user_id = :id")
        await connection.execute(statement, {"at": long_ago, "id": user.user_id})
    assert user.post("/app/you/totp").headers["location"].startswith("/login/again")
    assert user.post("/login/again", {"password": "wrong wrong", "next": "/app/you"}).status_code == 422
    assert user.post("/login/again", {"password": PASSWORD, "next": "/app/you"}).headers["location"] == "/app/you"
    assert user.post("/app/you/totp").status_code == 200


async def test_what_was_not_done_before_one_had_shown_who_one_is_is_said(user: Surfer, database: Database) -> None:
    async with database.transaction() as connection:
        statement = text("UPDATE sessions SET proven_at = :at WHERE user_id = :id")
        await connection.execute(statement, {"at": datetime.now(UTC) - timedelta(hours=2), "id": user.user_id})
    asked = user.post("/app/you/address", {"email": "new@acme.test"})
    page = user.follow(asked)
    form = dict(re.findall(r'<input type="hidden" name="(next|undone)" value="([^"]*)"', page.text))
    assert "do it once more" in text_of(page)
    assert "do it once more" in text_of(user.post("/login/again", form | {"password": "wrong wrong"}))
    done = user.post("/login/again", form | {"password": PASSWORD})
    assert done.headers["location"] == "/app/you"
    assert "Nothing was changed so far: do once more what you were about to do." in text_of(user.follow(done))


async def test_a_passkey_is_renamed_by_whose_it_is(user: Surfer, owner: Surfer, database: Database) -> None:
    passkey_id = new_id()
    row = {"id": passkey_id, "user_id": user.user_id, "name": "Passkey", "credential_id": passkey_id.bytes}
    row |= {"public_key": b"", "sign_count": 0, "created_at": datetime.now(UTC)}
    async with database.transaction() as connection:
        await connection.execute(insert(tables.Passkey).values(row))
    path = f"/app/you/passkeys/{to_text('pk', passkey_id)}/rename"
    assert owner.post(path, {"passkey_name": "Stolen"}).status_code == 404
    assert "a name with visible characters" in text_of(user.follow(user.post(path, {"passkey_name": "\u200b"})))
    page = text_of(user.follow(user.post(path, {"passkey_name": "My laptop"})))
    assert "The passkey has its new name." in page
    assert "My laptop Since" in page
    assert "renamed a passkey" in page


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("127.0.0.1:8025", "http://localhost:8025"),
        ("[::1]", "http://localhost"),
        ("192.0.2.7:8025", "the name of the site"),
    ],
)
def test_at_a_number_one_is_told_where_passkeys_are(user: Surfer, site: RunningWeb, host: str, named: str) -> None:
    login = new_surfer(site.url).get("/login", Host=host)
    for page, path in ((login, "/login"), (user.get("/app/you", Host=host), "/app/you")):
        assert "data-passkey=" not in page.text
        assert (f'href="{named}{path}"' if "//" in named else named) in page.text
    assert "data-passkey=" in new_surfer(site.url).get("/login", Host="localhost:8025").text


def test_a_passkey_that_was_never_made_is_refused_everywhere(
    site: RunningWeb, protected: tuple[Surfer, str, list[str]]
) -> None:
    user = protected[0]
    surfer = half_way(site, user)
    asked = surfer.post("/login/second/ask").json()
    assert asked["challenge"]
    made_up = '{"id": "x", "rawId": "eA", "type": "public-key", "response": {"clientDataJSON": "e30"}}'
    assert surfer.post("/login/second/passkey", {"credential": made_up}).status_code == 422
    assert surfer.post("/login/second/passkey", {"credential": "no json"}).status_code == 422
    assert user.post("/app/you/passkeys/pk_00000000000000000000000000/remove").status_code == 404


def test_nobody_asks_for_passkeys_without_end(nobody: Surfer) -> None:
    elsewhere = {"X-Forwarded-For": f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"}
    answers = [nobody.post("/login/ask", **elsewhere).status_code for _ in range(61)]
    assert answers == [200] * 60 + [429]


def test_a_code_is_good_for_the_step_before_and_after() -> None:
    secret, now = pyotp.random_base32(), datetime(2026, 1, 1, tzinfo=UTC)
    code = pyotp.TOTP(secret).at(now)
    assert matching_step(secret, code, now + timedelta(seconds=30)) is not None
    assert matching_step(secret, code, now + timedelta(seconds=90)) is None


def test_a_code_of_before_the_one_that_was_used_lets_nobody_in(
    site: RunningWeb, protected: tuple[Surfer, str, list[str]]
) -> None:
    user, secret, _ = protected
    totp, now = pyotp.TOTP(secret), datetime.now(UTC)
    assert half_way(site, user).post("/login/second", {"code": totp.at(now + timedelta(seconds=30))}).status_code == 303
    assert half_way(site, user).post("/login/second", {"code": totp.at(now)}).status_code == 422


async def test_with_the_last_passkey_the_recovery_codes_go(user: Surfer, database: Database, site: RunningWeb) -> None:
    values = {"id": new_id(), "user_id": user.user_id, "credential_id": uuid4().bytes, "public_key": b"", "name": "Old"}
    async with database.transaction() as connection:
        await connection.execute(
            insert(tables.Passkey).values(values | {"sign_count": 0, "created_at": datetime.now(UTC)})
        )
    assert half_way(site, user).get("/login/second").status_code == 200
    assert user.post("/app/you/codes").status_code == 200
    assert "Then the password alone logs you in" in user.get("/app/you").text
    assert user.post(f"/app/you/passkeys/{to_text('pk', values['id'])}/remove").status_code == 303
    async with database.reading() as connection:
        assert user.user_id is not None
        assert await count_codes(connection, user.user_id) == 0
    assert user.post("/app/you/codes").status_code == 403
    surfer = new_surfer(site.url)
    assert (
        surfer.post("/login", {"email": user.email, "password": PASSWORD}).headers["location"]
        == "/login?kept=asked&next=/app"
    )
