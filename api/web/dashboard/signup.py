"""Signing up, and confirming the address."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import faults_by_field, read_form
from api.web.dashboard.visitors import AnyGuest, Person
from hourpost.errors import Conflict, Forbidden, HourpostError, LimitExceeded, NotFound, Unavailable, ValidationFailed
from hourpost.rules.plans import PLANS
from hourpost.users.signing_up import NewUser, begin_sign_up, find_sign_up, finish_sign_up

router = APIRouter()


@router.get("/signup")
async def get_signup(visitor: AnyGuest, plan: str = "") -> Response:
    """The form; who is logged in already goes home."""
    if isinstance(visitor, Person):
        return visitor.redirect("/app")
    return await visitor.page("gate/signup.html", is_open=visitor.parts.postman.can_send, plan=PLANS.get(plan))


@router.post("/signup")
async def post_signup(request: Request, visitor: AnyGuest) -> Response:
    """Mail a link; the next page says so whether or not the address is known."""
    form = await read_form(request)
    new = NewUser(*(form.get(name, "") for name in ("name", "email", "account_name", "password")))
    try:
        email = await begin_sign_up(visitor.desk, new, visitor.browser)
    except (ValidationFailed, Unavailable, Forbidden) as error:
        given: dict[str, Any] = {"faults": faults_by_field(error), "form": form, "is_open": True, "plan": None}
        return await visitor.page("gate/signup.html", status=_status(error), **given)
    return visitor.redirect("/signup/mailed", f"A link is on its way to {email}.", "info")


@router.get("/signup/mailed")
async def get_mailed(visitor: AnyGuest) -> Response:
    """Where to go on: in the mail."""
    return await visitor.page("gate/mailed.html", what="confirms your address", again="/signup")


@router.get("/signup/confirm")
async def get_confirm(visitor: AnyGuest, token: str = "") -> Response:
    """A button: programs that follow every link in a mail press none."""
    try:
        email = await find_sign_up(visitor.desk, token)
    except (NotFound, Forbidden) as error:
        return await visitor.page("gate/worthless.html", status=404, message=error.message, again="/signup")
    return await visitor.page("gate/confirm.html", email=email, token=token, action="/signup/confirm")


@router.post("/signup/confirm")
async def post_confirm(request: Request, visitor: AnyGuest) -> Response:
    """Make the user and the account."""
    form = await read_form(request)
    try:
        await finish_sign_up(visitor.desk, form.get("token", ""), visitor.browser)
    except (NotFound, Conflict, Forbidden) as error:
        return await visitor.page("gate/worthless.html", status=404, message=error.message, again="/signup")
    return visitor.redirect("/login", "Your address is confirmed and your account is there. Log in.")


def _status(error: HourpostError) -> int:
    if isinstance(error, Unavailable):
        return 429 if isinstance(error, LimitExceeded) else 503
    return 403 if isinstance(error, Forbidden) else 422
