"""Logging in and out."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from api.web.dashboard.cookies import clear_session, read_session, set_session
from api.web.dashboard.forms import Form, faults_by_field, local_path, read_form
from api.web.dashboard.visitors import AnyGuest, Guest, LoggedIn, Person, owes_second
from hourpost.accounts import audit
from hourpost.errors import HourpostError, LimitExceeded, ValidationFailed
from hourpost.users.logging_in import log_in
from hourpost.users.sessions import end_session

HOME = "/app"
_NO_COOKIE = (
    "Your browser keeps no cookie of this site, without which nobody stays logged in. Allow it, then log in again."
)

router = APIRouter()


@router.get("/login")
async def get_login(request: Request, visitor: AnyGuest, next: str = "", kept: str = "") -> Response:
    """The log-in form, or home for who is logged in; ``kept``: asked, where a log-in has just led here."""
    onward = local_path(next, HOME)
    if isinstance(visitor, Person):
        return visitor.redirect(onward)
    if kept and await owes_second(request):
        return visitor.redirect(f"/login/second?next={quote(onward, safe='/')}")
    faults = {"": _NO_COOKIE} if kept and read_session(request) is None else {}
    return await visitor.page("gate/login.html", form={"next": local_path(next, "")}, faults=faults)


@router.post("/login")
async def post_login(request: Request, visitor: AnyGuest) -> Response:
    """Log in with a password; the second factor comes next where there is one."""
    form = await read_form(request)
    email, password = form.get("email", ""), form.get("password", "")
    try:
        found = await log_in(visitor.desk, email, password, visitor.browser)
    except (ValidationFailed, LimitExceeded) as error:
        return await _again(visitor, form, error)
    await _end_present(request, visitor)
    return let_in(visitor, found.token, form.get("next"))


@router.post("/logout")
async def post_logout(visitor: LoggedIn) -> Response:
    """Log out."""
    async with visitor.parts.database.transaction() as connection:
        await end_session(connection, visitor.user.id, visitor.session.id)
        await audit.note(connection, visitor.actor(), "logged_out", visitor.now)
    response = visitor.redirect("/login", "You are logged out.", "info")
    clear_session(response, visitor.parts.settings)
    return response


def let_in(visitor: Guest, token: str, onward: str | None) -> Response:
    """Give the browser its session, and lead on by way of the log-in, which sees whether the browser has kept it."""
    response = visitor.redirect(f"/login?kept=asked&next={quote(local_path(onward, HOME), safe='/')}")
    set_session(response, visitor.parts.settings, token)
    return response


async def _again(visitor: Guest, form: Form, error: HourpostError) -> Response:
    shown = {"email": form.get("email", ""), "next": local_path(form.get("next"), "")}
    status = 429 if isinstance(error, LimitExceeded) else 422
    response = await visitor.page("gate/login.html", status=status, form=shown, faults=faults_by_field(error))
    if isinstance(error, LimitExceeded) and error.retry_after_seconds:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


async def _end_present(request: Request, visitor: Guest) -> None:
    """A browser that logs in again leaves no older session behind."""
    if visitor.signed_in is None or read_session(request) is None:
        return
    session = visitor.signed_in.session
    async with visitor.parts.database.transaction() as connection:
        await end_session(connection, session.user_id, session.id)
