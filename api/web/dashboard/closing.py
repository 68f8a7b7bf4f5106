"""Taking everything along, and deleting: an account, or one's own log-in."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from api.web.dashboard.cookies import clear_session
from api.web.dashboard.forms import read_form
from api.web.dashboard.visitors import NotProven, Owner, Person, Proven, Visitor
from api.web.dashboard.you import you_page
from hourpost.accounts import audit
from hourpost.accounts.closing import close_account
from hourpost.accounts.queries import list_addresses
from hourpost.billing.queries import find_current
from hourpost.errors import Conflict, HourpostError
from hourpost.rules.roles import May
from hourpost.users import letters
from hourpost.users.export import export_account
from hourpost.users.leaving import delete_user

router = APIRouter()


@router.post("/app/account/export")
async def post_export(visitor: Owner) -> Response:
    """Everything of the account that is not a secret, as a file."""
    _require_proof(visitor)
    async with visitor.parts.database.transaction() as connection:
        await audit.note(connection, visitor.actor(), "account_exported", visitor.now)
    name = f"hourpost-{visitor.account.public_id}-{visitor.now:%Y-%m-%d}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    pieces = export_account(visitor.parts.database, visitor.account)
    return StreamingResponse(pieces, media_type="application/json", headers=headers)


@router.get("/app/account/delete")
async def get_delete(visitor: Owner) -> Response:
    """What deleting means, and where one says that one means it."""
    _require_proof(visitor)
    return await _delete_page(visitor)


@router.post("/app/account/delete")
async def post_delete(request: Request, visitor: Owner) -> Response:
    """Delete the account, once its name was typed."""
    _require_proof(visitor)
    form = await read_form(request)
    if form.get("name", "") != visitor.account.name:
        return await _delete_page(visitor, {"name": "This is not the name of the account."})
    if visitor.parts.till is not None:
        try:
            await visitor.parts.till.close(visitor.account.id)
        except HourpostError as error:  # an account that is gone could not be kept from being charged
            return await _delete_page(visitor, {"": error.message})
    async with visitor.parts.database.transaction() as connection:
        members = await list_addresses(connection, visitor.account.id, May.READ)
        await close_account(connection, visitor.account.id, visitor.now)
        await audit.note(connection, visitor.actor(), "account_deleted", visitor.now)
    for member in members:
        letter = letters.account_deleted(member, visitor.account.name, visitor.user.email)
        await visitor.desk.tell(visitor.user.id, letter)
    return visitor.redirect("/app", f"{visitor.account.name} is deleted.", "info")


@router.post("/app/you/delete")
async def post_delete_you(visitor: Proven) -> Response:
    """Delete one's own log-in."""
    try:
        async with visitor.parts.database.transaction() as connection:
            await delete_user(connection, visitor.user)
            await audit.note(connection, Person.actor(visitor), "user_deleted", visitor.now)
    except Conflict as error:
        return await you_page(visitor, {}, error)
    response = visitor.redirect("/", "Your log-in is deleted.", "info")
    clear_session(response, visitor.parts.settings)
    return response


def _require_proof(visitor: Visitor) -> None:
    if not visitor.has_proven:
        raise NotProven


async def _is_paid(visitor: Visitor) -> bool:
    async with visitor.parts.database.reading() as connection:
        return await find_current(connection, visitor.account.id) is not None


async def _delete_page(visitor: Visitor, faults: dict[str, str] | None = None) -> Response:
    status = 422 if faults else 200
    is_paid = await _is_paid(visitor)
    return await visitor.page("account_delete.html", status=status, faults=faults or {}, is_paid=is_paid)
