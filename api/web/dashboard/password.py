"""A new password for who has forgotten the old one."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import faults_by_field, read_form
from api.web.dashboard.visitors import AnyGuest
from hourpost.errors import LimitExceeded, NotFound, Unavailable, ValidationFailed
from hourpost.users.passwords import begin_reset, check_reset, finish_reset

router = APIRouter()


@router.get("/password")
async def get_password(visitor: AnyGuest) -> Response:
    """Where one says whose password it is."""
    return await visitor.page("gate/password.html")


@router.post("/password")
async def post_password(request: Request, visitor: AnyGuest) -> Response:
    """Mail a link; the next page says so whether or not the address is known."""
    form = await read_form(request)
    try:
        await begin_reset(visitor.desk, form.get("email", ""), visitor.browser)
    except (ValidationFailed, Unavailable) as error:
        status = 429 if isinstance(error, LimitExceeded) else 503 if isinstance(error, Unavailable) else 422
        return await visitor.page("gate/password.html", status=status, form=form, faults=faults_by_field(error))
    return visitor.redirect(
        "/password/mailed", f"A link is on its way to {form.get('email', '').strip()[:254]}.", "info"
    )


@router.get("/password/mailed")
async def get_mailed(visitor: AnyGuest) -> Response:
    """Where to go on: in the mail."""
    return await visitor.page("gate/mailed.html", what="lets you choose a new password", again="/password")


@router.get("/password/new")
async def get_new(visitor: AnyGuest, token: str = "") -> Response:
    """Where one chooses the new password."""
    try:
        await check_reset(visitor.desk, token)
    except NotFound as error:
        return await visitor.page("gate/worthless.html", status=404, message=error.message, again="/password")
    return await visitor.page("gate/new_password.html", form={"token": token})


@router.post("/password/new")
async def post_new(request: Request, visitor: AnyGuest) -> Response:
    """Set it; every browser is logged out."""
    form = await read_form(request)
    try:
        await finish_reset(visitor.desk, form.get("token", ""), form.get("password", ""), visitor.browser)
    except ValidationFailed as error:
        shown = {"token": form.get("token", "")}
        return await visitor.page("gate/new_password.html", status=422, form=shown, faults=faults_by_field(error))
    except NotFound as error:
        return await visitor.page("gate/worthless.html", status=404, message=error.message, again="/password")
    return visitor.redirect("/login", "The password is changed and every browser is logged out. Log in.")
