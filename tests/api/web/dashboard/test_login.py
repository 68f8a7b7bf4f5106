"""Logging in and out, and what a session is worth."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from hourpost.accounts.passwords import hash_password
from hourpost.database import Database
from tests.api.web.dashboard.people import Surfer, join, make_user, new_surfer, text_of
from tests.api.web.running import RunningWeb
from tests.cast import make_account

PASSWORD = "correct horse battery"


@pytest.fixture
async def email(database: Database) -> str:
    """The address of an owner with a password."""
    account = await make_account(database)
    user_id, email = await make_user(database, await hash_password(PASSWORD))
    await join(database, account, user_id, "owner")
    return email


def log_in(surfer: Surfer, email: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
    return surfer.post("/login", {"email": email, "password": password, **fields})


def test_who_knows_the_password_is_let_in(nobody: Surfer, email: str) -> None:
    answer = log_in(nobody, email.upper())
    assert nobody.follow(answer).request.url.path == "/app"
    assert nobody.follow(answer).status_code == 200


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(nobody: Surfer, email: str) -> None:
    wrong, unknown = log_in(nobody, email, "not this one"), log_in(nobody, f"{uuid4().hex}@acme.test")
    assert wrong.status_code == unknown.status_code == 422
    assert "is not right" in text_of(wrong)
    assert text_of(wrong) == text_of(unknown).replace(unknown.request.url.path, "/login")
    assert nobody.token is None


async def test_neither_answer_waits_for_what_is_written_of_a_wrong_password(
    nobody: Surfer, email: str, database: Database
) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("LOCK TABLE audit_entries IN ACCESS EXCLUSIVE MODE"))
        answers = [log_in(nobody, one, "not this one") for one in (email, f"{uuid4().hex}@acme.test")]
    assert [answer.status_code for answer in answers] == [422, 422]


def test_a_log_in_gives_a_new_token_and_ends_the_one_before(nobody: Surfer, email: str) -> None:
    log_in(nobody, email)
    first = nobody.token
    log_in(nobody, email)
    assert nobody.token != first
    nobody.show(first or "")
    assert nobody.get("/app").status_code == 303


def test_who_logs_out_is_out_also_with_the_old_cookie(nobody: Surfer, email: str) -> None:
    log_in(nobody, email)
    token = nobody.token
    assert nobody.post("/logout").headers["location"] == "/login"
    nobody.show(token or "")
    assert nobody.get("/app").status_code == 303


def test_one_is_led_back_to_the_page_one_wanted(nobody: Surfer, email: str) -> None:
    sent = nobody.get("/app/account?x=1")
    assert sent.headers["location"] == "/login?next=/app/account%3Fx%3D1"
    assert 'value="/app/account?x=1"' in nobody.follow(sent).text
    assert log_in(nobody, email, next="/app/account").headers["location"] == "/login?kept=asked&next=/app/account"


@pytest.mark.parametrize(
    ("path", "seen", "login"),
    [
        ("/app/webhooks", "/app/webhooks", "/login?next=/app/webhooks"),
        ("/app/emails/em_1/cancel", "/app/emails/em_1?x=1", "/login?next=/app/emails/em_1%3Fx%3D1"),
        ("/app/you/address", "/app/you/address", "/login?next=/app/you"),  # which answered a form, and cannot be read
        ("/app/you/passkeys/ask", None, "/login"),
        ("/app/you", "http://[", "/login"),
        ("/app/accounts/new", "/app", "/login"),
        ("/mail/f/inbox/act", "/mail/f/inbox/3?q=x", "/mail/login?next=/mail/f/inbox/3%3Fq%3Dx"),
    ],
)
def test_what_was_not_done_for_the_session_had_ended_is_said_and_leads_back(
    nobody: Surfer, path: str, seen: str | None, login: str
) -> None:
    came_from = {} if seen is None else {"Referer": seen if ":" in seen else f"{nobody.http.base_url}{seen}"}
    answer = nobody.post(path, {"name": "x"}, **came_from)
    assert answer.headers["location"] == login
    assert "You were logged out before this was done; nothing was changed." in text_of(nobody.follow(answer))


@pytest.mark.parametrize(
    ("path", "said"), [("/logout", False), ("/mail/logout", False), ("/login/second", True)], ids=str
)
def test_who_is_out_already_has_missed_nothing_by_logging_out(nobody: Surfer, path: str, said: bool) -> None:
    page = text_of(nobody.follow(nobody.post(path)))
    assert "nothing was changed" not in page
    assert ("That took too long. Log in again." in page) is said


@pytest.mark.parametrize(
    ("part", "page", "login"),
    [
        ("/app/hour", "/app/webhooks?after=1#top", "/login?next=/app/webhooks%3Fafter%3D1"),
        ("/app?span=7d", "/app?span=7d", "/login?next=/app%3Fspan%3D7d"),
        ("/mail/hour", "/mail/write", "/mail/login?next=/mail/write"),
    ],
)
def test_a_page_that_asks_by_itself_stays_and_is_told_where_one_logs_in(
    nobody: Surfer, part: str, page: str, login: str
) -> None:
    answer = nobody.get(part, **{"HX-Request": "true", "HX-Current-URL": f"{nobody.http.base_url}{page}"})
    assert (answer.status_code, answer.text) == (401, login)
    assert "hx-redirect" not in answer.headers


def test_a_browser_that_keeps_no_cookie_is_told_so(nobody: Surfer, email: str) -> None:
    answer = log_in(nobody, email, next="/app/keys")
    nobody.http.cookies.clear()
    page = nobody.follow(answer)
    assert "Your browser keeps no cookie of this site" in text_of(page)
    assert 'value="/app/keys"' in page.text
    log_in(nobody, email)
    assert nobody.follow(answer).request.url.path == "/app/keys"
    nobody.http.cookies.clear()  # another tab has logged out
    came_from = {"Referer": f"{nobody.http.base_url}/login"}  # as the reload of where a log-in has led says
    assert "keeps no cookie" not in nobody.follow(nobody.get("/app/keys", **came_from)).text


@pytest.mark.parametrize(
    ("path", "seen", "login"),
    [
        ("/app/suppressions/export", "/app/suppressions?q=a", "/login?next=/app/suppressions%3Fq%3Da"),
        ("/app/suppressions/export", "", "/login?next=/app/suppressions"),
        ("/mail/f/inbox/3/part/2", "/mail/f/inbox/3?q=x", "/mail/login?next=/mail/f/inbox/3%3Fq%3Dx"),
        ("/mail/f/inbox/3/body", "", "/mail/login?next=/mail/f/inbox/3"),
    ],
)
def test_a_file_leads_back_to_the_page_it_is_offered_on(nobody: Surfer, path: str, seen: str, login: str) -> None:
    came_from = {"Referer": f"{nobody.http.base_url}{seen}"} if seen else {}
    assert nobody.get(path, **came_from).headers["location"] == login


def test_what_stands_in_a_page_leads_back_to_the_page(nobody: Surfer) -> None:
    frame = {"Sec-Fetch-Dest": "iframe", "Referer": f"{nobody.http.base_url}/app/emails/em_1"}
    location = nobody.get("/app/emails/em_1/preview", **frame).headers["location"]
    assert location == "/login?next=/app/emails/em_1"


def test_others_lock_nobody_out_where_they_have_logged_in_before(nobody: Surfer, site: RunningWeb, email: str) -> None:
    log_in(nobody, email)  # from 127.0.0.1
    other = new_surfer(site.url)
    elsewhere = {"X-Forwarded-For": "192.0.2.77"}
    guesses = [other.post("/login", {"email": email, "password": f"guess {n}"}, **elsewhere) for n in range(6)]
    assert [answer.status_code for answer in guesses] == [422] * 5 + [429]
    assert other.post("/login", {"email": email, "password": PASSWORD}, **elsewhere).status_code == 429
    assert log_in(nobody, email).status_code == 303


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"])
def test_one_is_never_led_elsewhere(nobody: Surfer, email: str, elsewhere: str) -> None:
    assert log_in(nobody, email, next=elsewhere).headers["location"] == "/login?kept=asked&next=/app"


def test_after_some_wrong_passwords_one_must_wait(nobody: Surfer, email: str) -> None:
    answers = [log_in(nobody, email, f"wrong number {count}") for count in range(5)]
    assert [answer.status_code for answer in answers] == [422] * 5
    for count in range(20):  # the first waits are short, and a slow machine may spend them on the password
        answer = log_in(nobody, email, f"another wrong number {count}")
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert log_in(nobody, email).status_code == 429


def test_the_cookie_is_for_this_host_alone_where_there_is_tls(web: RunningWeb, database: Database, email: str) -> None:
    with httpx.Client(base_url=web.url, headers={"Origin": "https://post.example"}) as client:
        answer = client.post("/login", data={"email": email, "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-hourpost=")
    for part in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert part in cookie
    assert "max-age=" in answer.headers["strict-transport-security"]
