"""Logging in to a mailbox in the browser, and out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.web.dashboard.cookies import clear_mail_session, set_mail_session
from api.web.dashboard.filters import plural
from api.web.dashboard.forms import Form, local_path, read_form
from api.web.dashboard.mail.readers import HOME, TheReader, find_reader
from api.web.dashboard.visitors import AnyGuest, Guest
from hourpost.errors import HourpostError, LimitExceeded, ServiceUnavailable
from hourpost.mailboxes.app_passwords import Service
from hourpost.mailboxes.login import Attempt
from hourpost.mailboxes.sessions import end_mail_session, start_mail_session

router = APIRouter()

PATH = HOME + "/login"


@router.get(PATH)
async def get_login(request: Request, visitor: AnyGuest) -> Response:
    """The log-in form, or the inbox for who is in already."""
    asked = request.query_params
    if await find_reader(request) is not None:
        return visitor.redirect(_back(asked.get("next")))
    form = {"email": asked.get("address", ""), "next": asked.get("next", "")}
    return await visitor.page("mail/login.html", form=form)


@router.post(PATH)
async def post_login(request: Request, visitor: AnyGuest) -> Response:
    """Log in with a mailbox's address and its own password, and go on to where one wanted to go."""
    form = await read_form(request)
    parts = visitor.parts
    attempt = Attempt(form.get("email", ""), Service.WEB, visitor.browser.address)
    try:
        login = await parts.logins.log_in(attempt, form.get("password", ""))
    except ServiceUnavailable:
        raise
    except HourpostError as error:
        return await _again(visitor, {name: form.get(name, "") for name in ("email", "next")}, error)
    async with parts.database.transaction() as connection:
        token = await start_mail_session(connection, login, visitor.now)
    response = visitor.redirect(_back(form.get("next")))
    set_mail_session(response, parts.settings, token)
    return response


@router.post(HOME + "/logout")
async def post_logout(reader: TheReader) -> Response:
    """Leave the mailbox."""
    async with reader.parts.database.transaction() as connection:
        await end_mail_session(connection, reader.token)
    response = reader.redirect(PATH, "You are logged out.", "info")
    clear_mail_session(response, reader.parts.settings)
    return response


def _back(text: str | None) -> str:
    """A page of the inbox that a request names to be led to; never its log-in, which would lead back here."""
    path = local_path(text, HOME)
    return path if path.startswith(f"{HOME}/") and not path.startswith((PATH, HOME + "/logout")) else HOME


async def _again(visitor: Guest, form: Form, error: HourpostError) -> Response:
    if isinstance(error, LimitExceeded):
        wait = plural(error.retry_after_seconds or 1, "second")
        faults = {"": f"Too many wrong passwords; try again in {wait}."}
        response = await visitor.page("mail/login.html", status=429, form=form, faults=faults)
        response.headers["Retry-After"] = str(error.retry_after_seconds or 1)
        return response
    faults = {
        "": "The address or the password is wrong. App passwords are for mail programs; here it is the mailbox's own."
    }
    return await visitor.page("mail/login.html", status=422, form=form, faults=faults)
