"""The second factor of a log-in, logging in by passkey, and showing once more who one is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import faults_by_field, local_path, read_form
from api.web.dashboard.login import HOME, let_in
from api.web.dashboard.visitors import AnyGuest, Guest, HalfWay, LoggedIn
from hourpost.errors import LimitExceeded, ValidationFailed
from hourpost.users.logging_in import has_passkey
from hourpost.users.passkeys import ask_passkey, check_passkey
from hourpost.users.passwords import prove_password
from hourpost.users.second_factor import ask_any_passkey, finish_by_code, finish_by_passkey
from hourpost.users.sessions import note_proven

_JSON = "application/json"

router = APIRouter()


@router.get("/login/second")
async def get_second(visitor: HalfWay, next: str = "") -> Response:
    """Where one shows the second factor."""
    return await _second(visitor, {"next": local_path(next, HOME)})


@router.post("/login/second")
async def post_second(request: Request, visitor: HalfWay) -> Response:
    """Finish a log-in with a code."""
    form = await read_form(request)
    code = form.get("code", "")
    try:
        token = await finish_by_code(visitor.desk, visitor.user, visitor.session.id, code, visitor.browser)
    except (ValidationFailed, LimitExceeded) as error:
        return await _second(visitor, {"next": form.get("next", "")}, error)
    return let_in(visitor, token, form.get("next"))


@router.post("/login/second/ask")
async def post_second_ask(visitor: HalfWay) -> Response:
    """What the browser needs to ask for a passkey of this user."""
    return Response(await ask_passkey(visitor.desk, visitor.site, visitor.user.id), media_type=_JSON)


@router.post("/login/second/passkey")
async def post_second_passkey(request: Request, visitor: HalfWay) -> Response:
    """Finish a log-in with a passkey."""
    form = await read_form(request)
    half = (visitor.user, visitor.session.id)
    try:
        token = await finish_by_passkey(visitor.desk, visitor.site, form.get("credential", ""), visitor.browser, half)
    except ValidationFailed as error:
        return await _second(visitor, {"next": form.get("next", "")}, error)
    return let_in(visitor, token, form.get("next"))


@router.post("/login/ask")
async def post_ask(visitor: AnyGuest) -> Response:
    """What the browser needs to ask for any passkey of this site."""
    return Response(await ask_any_passkey(visitor.desk, visitor.site, visitor.browser), media_type=_JSON)


@router.post("/login/passkey")
async def post_passkey(request: Request, visitor: AnyGuest) -> Response:
    """Log in with a passkey alone."""
    form = await read_form(request)
    try:
        token = await finish_by_passkey(visitor.desk, visitor.site, form.get("credential", ""), visitor.browser)
    except ValidationFailed as error:
        shown = {"next": local_path(form.get("next"), "")}
        return await visitor.page("gate/login.html", status=422, form=shown, faults=faults_by_field(error))
    return let_in(visitor, token, form.get("next"))


@router.get("/login/again")
async def get_again(visitor: LoggedIn, next: str = "", undone: str = "") -> Response:
    """Where one shows once more who one is, before something dangerous; ``undone``: which was refused before that."""
    return await _again(visitor, {"next": next, "undone": undone})


@router.post("/login/again")
async def post_again(request: Request, visitor: LoggedIn) -> Response:
    """Check the password once more."""
    form = await read_form(request)
    try:
        await prove_password(visitor.desk, visitor.user, form.get("password", ""))
    except (ValidationFailed, LimitExceeded) as error:
        return await _again(visitor, form, error)
    async with visitor.parts.database.transaction() as connection:
        await note_proven(connection, visitor.session.id, visitor.now)
    return _go_on(visitor, form)


@router.post("/login/again/ask")
async def post_again_ask(visitor: LoggedIn) -> Response:
    """What the browser needs to ask for a passkey of this user."""
    return Response(await ask_passkey(visitor.desk, visitor.site, visitor.user.id), media_type=_JSON)


@router.post("/login/again/passkey")
async def post_again_passkey(request: Request, visitor: LoggedIn) -> Response:
    """Check a passkey once more."""
    form = await read_form(request)
    try:
        async with visitor.parts.database.transaction() as connection:
            await check_passkey(connection, visitor.desk, visitor.site, form.get("credential", ""), visitor.user.id)
            await note_proven(connection, visitor.session.id, visitor.now)
    except ValidationFailed as error:
        return await _again(visitor, form, error)
    return _go_on(visitor, form)


async def _second(
    visitor: HalfWay, form: dict[str, str], error: ValidationFailed | LimitExceeded | None = None
) -> Response:
    return await _ask(visitor, "gate/second.html", form, error)


async def _again(
    visitor: LoggedIn, form: dict[str, str], error: ValidationFailed | LimitExceeded | None = None
) -> Response:
    shown = {"next": local_path(form.get("next"), HOME), "undone": form.get("undone", "")}
    return await _ask(visitor, "gate/again.html", shown, error)


async def _ask(
    visitor: HalfWay, template: str, form: dict[str, str], error: ValidationFailed | LimitExceeded | None
) -> Response:
    async with visitor.parts.database.reading() as connection:
        knows_passkey = await has_passkey(connection, visitor.user.id)
    status = 200 if error is None else 429 if isinstance(error, LimitExceeded) else 422
    faults = faults_by_field(error) if error else {}
    has_totp = visitor.user.totp_secret is not None
    given: dict[str, Any] = {"form": form, "faults": faults, "has_passkey": knows_passkey, "has_totp": has_totp}
    return await visitor.page(template, status=status, **given)


def _go_on(visitor: Guest, form: dict[str, str]) -> Response:
    said = "Thank you. Nothing was changed so far: do once more what you were about to do."
    return visitor.redirect(local_path(form.get("next"), HOME), said if form.get("undone") else "", "info")
