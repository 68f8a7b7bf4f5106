"""Accepting an invitation: logged in with its address, or by making a log-in for it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import Form, faults_by_field, read_form
from api.web.dashboard.visitors import AnyGuest, Guest, Person
from hourpost.accounts.queries import find_user_by_email
from hourpost.errors import HourpostError, NotFound, Refused, ValidationFailed
from hourpost.users.joining import join_as_new_user, join_as_user
from hourpost.users.members import Invitation, find_invitation

router = APIRouter()


@router.get("/invitation")
async def get_invitation(visitor: AnyGuest, token: str = "") -> Response:
    """What is offered, and what it takes to accept."""
    try:
        return await _page(visitor, token)
    except NotFound as error:
        return await visitor.page("gate/worthless.html", status=404, message=error.message, again="")


@router.post("/invitation")
async def post_invitation(request: Request, visitor: AnyGuest) -> Response:
    """Accept."""
    form = await read_form(request)
    token = form.get("token", "")
    try:
        if isinstance(visitor, Person):
            session = visitor.session.id
            account = await join_as_user(visitor.desk, token, visitor.user, session, visitor.browser)
            return visitor.redirect("/app", f"Welcome to {account}.")
        await join_as_new_user(visitor.desk, token, form.get("name", ""), form.get("password", ""), visitor.browser)
    except ValidationFailed as error:
        return await _page(visitor, token, form, error)
    except Refused as error:
        return await visitor.page("gate/worthless.html", status=404, message=error.message, again="")
    return visitor.redirect("/login", "Your log-in is made and you are a member. Log in.")


async def _page(visitor: Guest, token: str, form: Form | None = None, error: HourpostError | None = None) -> Response:
    async with visitor.parts.database.reading() as connection:
        invitation: Invitation = await find_invitation(connection, token, visitor.now)
        is_known = await find_user_by_email(connection, invitation.email) is not None
    faults = faults_by_field(error) if error else {}
    given: dict[str, Any] = {
        "invitation": invitation,
        "is_known": is_known,
        "token": token,
        "form": form or {},
        "faults": faults,
    }
    return await visitor.page("gate/invitation.html", status=422 if error else 200, **given)
