"""A person's own log-in: name, address, password, second factors, sessions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api.web.dashboard.cookies import set_session
from api.web.dashboard.dependencies import id_in
from api.web.dashboard.forms import Form, faults_by_field, read_form
from api.web.dashboard.visitors import AnyGuest, LoggedIn, Person, Proven
from hourpost.accounts import audit
from hourpost.errors import HourpostError, LimitExceeded, NotFound, Refused
from hourpost.pages import Cursor
from hourpost.users import addresses
from hourpost.users.passkeys import list_passkeys
from hourpost.users.passwords import change_password
from hourpost.users.recovery import count_codes
from hourpost.users.sessions import PREFIX, end_session, end_sessions, list_sessions

HERE = "/app/you"

router = APIRouter()


@router.get("/app/you")
async def get_you(visitor: LoggedIn) -> Response:
    """Everything about one's own log-in."""
    return await you_page(visitor)


@router.post("/app/you")
async def post_you(request: Request, visitor: LoggedIn) -> Response:
    """Change one's name."""
    form = await read_form(request)
    try:
        await addresses.rename_user(visitor.desk, visitor.user, form.get("name", ""))
    except Refused as error:
        return await you_page(visitor, form, error)
    return visitor.redirect(HERE, "The name is changed.")


@router.post("/app/you/address")
async def post_address(request: Request, visitor: Proven) -> Response:
    """Mail a link to the new address, which confirms it."""
    form = await read_form(request)
    try:
        email = await addresses.begin_change(visitor.desk, visitor.user, form.get("email", ""))
    except (Refused, LimitExceeded) as error:
        return await you_page(visitor, form, error)
    return visitor.redirect(
        HERE, f"A link is on its way to {email}; until you follow it, the old address stays.", "info"
    )


@router.get("/address")
async def get_confirm(visitor: AnyGuest, token: str = "") -> Response:
    """A button: programs that follow every link in a mail press none."""
    try:
        email = await addresses.find_change(visitor.desk, token)
    except NotFound as error:
        return await visitor.page("gate/worthless.html", status=404, message=error.message, again=HERE)
    return await visitor.page("gate/confirm.html", email=email, token=token, action="/address")


@router.post("/address")
async def post_confirm(request: Request, visitor: AnyGuest) -> Response:
    """Log in with the new address from now on."""
    form = await read_form(request)
    try:
        await addresses.finish_change(visitor.desk, form.get("token", ""), visitor.browser)
    except Refused as error:
        return await visitor.page("gate/worthless.html", status=404, message=error.message, again=HERE)
    return visitor.redirect(HERE, "From now on you log in with the new address.")


@router.post("/app/you/password")
async def post_password(request: Request, visitor: LoggedIn) -> Response:
    """Change the password; every other browser is logged out, and this one gets a new token."""
    form = await read_form(request)
    current, new = form.get("current_password", ""), form.get("new_password", "")
    try:
        here = visitor.session.account_id
        token = await change_password(visitor.desk, visitor.user, current, new, visitor.browser, here)
    except (Refused, LimitExceeded) as error:
        return await you_page(visitor, {}, error)
    response = visitor.redirect(HERE, "The password is changed; every other browser is logged out.")
    set_session(response, visitor.parts.settings, token)
    return response


@router.post("/app/you/sessions/end")
async def post_end_others(visitor: LoggedIn) -> Response:
    """Log every other browser out."""
    async with visitor.parts.database.transaction() as connection:
        await end_sessions(connection, visitor.user.id, but=visitor.session.id)
        await audit.note(connection, Person.actor(visitor), "session_ended", visitor.now)
    return visitor.redirect(HERE, "Every other browser is logged out.")


@router.post("/app/you/sessions/{session_id}/end")
async def post_end(session_id: str, visitor: LoggedIn) -> Response:
    """Log one browser out."""
    found = id_in(PREFIX, session_id, "session")
    async with visitor.parts.database.transaction() as connection:
        await end_session(connection, visitor.user.id, found)
        await audit.note(connection, Person.actor(visitor), "session_ended", visitor.now)
    return visitor.redirect(HERE, "That browser is logged out.")


async def you_page(
    visitor: Person, form: Form | None = None, error: HourpostError | None = None, **more: Any
) -> Response:
    """The page, after a form that did not fit with what was wrong."""
    user = visitor.user
    async with visitor.parts.database.reading() as connection:
        given: dict[str, Any] = {
            "sessions": await list_sessions(connection, user.id, visitor.now),
            "passkeys": await list_passkeys(connection, user.id),
            "codes_left": await count_codes(connection, user.id),
            "entries": (await audit.list_own_entries(connection, user.id, Cursor(limit=10))).data,
        }
    status = 200 if error is None else 429 if isinstance(error, LimitExceeded) else 422
    shown = {"name": user.name, "email": ""} | (form or {})
    faults = faults_by_field(error) if error else {}
    return await visitor.page("you/you.html", status=status, form=shown, faults=faults, **given, **more)
