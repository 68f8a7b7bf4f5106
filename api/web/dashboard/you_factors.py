"""Turning second factors on and off: codes by app, passkeys, recovery codes. All ask who one is."""

from __future__ import annotations

import io

import segno
from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from api.web.dashboard.dependencies import id_in
from api.web.dashboard.forms import faults_by_field, read_form
from api.web.dashboard.visitors import LoggedIn, Person, Proven
from api.web.dashboard.you import HERE, you_page
from hourpost.accounts import audit
from hourpost.errors import Forbidden, NotFound, ValidationFailed
from hourpost.users.logging_in import has_passkey
from hourpost.users.passkeys import PREFIX, begin_passkey, finish_passkey, remove_passkey, rename_passkey
from hourpost.users.recovery import make_codes
from hourpost.users.totp import Offer, begin_totp, find_offer, finish_totp, turn_off_totp

router = APIRouter()


@router.post("/app/you/totp")
async def post_totp(visitor: Proven) -> Response:
    """Show a new secret, as a picture for the app and as text."""
    return await _offer(visitor, await begin_totp(visitor.desk, visitor.user))


@router.post("/app/you/totp/on")
async def post_totp_on(request: Request, visitor: Proven) -> Response:
    """Turn codes by app on with a first code."""
    form = await read_form(request)
    token, code = form.get("token", ""), form.get("code", "")
    try:
        codes = await finish_totp(visitor.desk, visitor.user, token, code, Person.actor(visitor))
    except ValidationFailed as error:
        return await _offer(visitor, await find_offer(visitor.desk, visitor.user, token), faults_by_field(error))
    except NotFound as error:
        return visitor.redirect(HERE, error.message, "warn")
    return await _done(visitor, codes, "Codes by app are on.")


@router.post("/app/you/totp/off")
async def post_totp_off(visitor: Proven) -> Response:
    """Turn codes by app off."""
    await turn_off_totp(visitor.desk, visitor.user, Person.actor(visitor))
    return visitor.redirect(HERE, "Codes by app are off.")


@router.post("/app/you/codes")
async def post_codes(visitor: Proven) -> Response:
    """New recovery codes, shown once."""
    if not visitor.user.totp_secret and not await _has_passkeys(visitor):
        raise Forbidden("restricted_api_key", "Recovery codes stand in for a second factor: turn one on first.")
    async with visitor.parts.database.transaction() as connection:
        codes = await make_codes(connection, visitor.user.id)
        await audit.note(connection, Person.actor(visitor), "recovery_codes_made", visitor.now)
    return await _done(visitor, codes, "")


@router.post("/app/you/passkeys/ask")
async def post_passkey_ask(visitor: Proven) -> Response:
    """What the browser needs to make a passkey."""
    return Response(await begin_passkey(visitor.desk, visitor.user, visitor.site), media_type="application/json")


@router.post("/app/you/passkeys")
async def post_passkey(request: Request, visitor: Proven) -> Response:
    """Store the passkey that the browser has made."""
    form = await read_form(request)
    credential, name = form.get("credential", ""), form.get("passkey_name", "")
    try:
        codes = await finish_passkey(visitor.desk, visitor.user, visitor.site, credential, name, Person.actor(visitor))
    except ValidationFailed as error:
        return await you_page(visitor, {}, error)
    return await _done(visitor, codes, "The passkey is added.")


@router.post("/app/you/passkeys/{passkey_id}/rename")
async def post_passkey_rename(passkey_id: str, request: Request, visitor: LoggedIn) -> Response:
    """Give a passkey another name."""
    found, name = id_in(PREFIX, passkey_id, "passkey"), (await read_form(request)).get("passkey_name", "")
    try:
        await rename_passkey(visitor.desk, visitor.user, found, name, Person.actor(visitor))
    except ValidationFailed as error:
        return visitor.redirect(HERE, error.message, "bad")
    return visitor.redirect(HERE, "The passkey has its new name.")


@router.post("/app/you/passkeys/{passkey_id}/remove")
async def post_passkey_remove(passkey_id: str, visitor: Proven) -> Response:
    """Forget a passkey."""
    found = id_in(PREFIX, passkey_id, "passkey")
    await remove_passkey(visitor.desk, visitor.user, found, Person.actor(visitor))
    return visitor.redirect(HERE, "The passkey is removed.")


async def _has_passkeys(visitor: Person) -> bool:
    async with visitor.parts.database.reading() as connection:
        return await has_passkey(connection, visitor.user.id)


async def _offer(visitor: Person, offer: Offer, faults: dict[str, str] | None = None) -> Response:
    status = 422 if faults else 200
    picture = _qr(offer.uri)
    return await visitor.page("you/totp.html", status=status, offer=offer, picture=picture, faults=faults or {})


async def _done(visitor: Person, codes: list[str], message: str) -> Response:
    """Codes that can be read now only are in the answer itself; without any there is nothing to show."""
    if not codes:
        return visitor.redirect(HERE, message)
    return await visitor.page("you/codes.html", codes=codes, message=message)


def _qr(text: str) -> Markup:
    """A QR code as SVG, drawn with attributes alone, for a page may hold no style."""
    out = io.BytesIO()
    segno.make(text, error="m").save(
        out,
        kind="svg",
        xmldecl=False,
        svgns=True,
        omitsize=True,
        border=2,
        svgclass=None,
        lineclass=None,
        dark="#111111",
    )
    return Markup(out.getvalue().decode())  # noqa: S704 - segno's own drawing, with nothing of the text in it
