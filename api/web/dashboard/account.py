"""The account's settings. Also the example of a page with a form."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import faults_by_field, read_form
from api.web.dashboard.visitors import AnyMember, Manager
from hourpost.accounts import audit
from hourpost.accounts.changes import rename_account
from hourpost.errors import Refused

router = APIRouter()


@router.get("/app/account")
async def get_account(visitor: AnyMember) -> Response:
    """The account's settings."""
    return await visitor.page("account.html", form={"name": visitor.account.name})


@router.post("/app/account")
async def post_account(request: Request, visitor: Manager) -> Response:
    """Rename the account."""
    form = await read_form(request)
    try:
        async with visitor.parts.database.transaction() as connection:
            await rename_account(connection, visitor.account.id, form.get("name", ""))
            await audit.note(connection, visitor.actor(), "account_renamed", visitor.now, name=form.get("name", ""))
    except Refused as error:
        return await visitor.page("account.html", status=422, form=form, faults=faults_by_field(error))
    return visitor.redirect("/app/account", "The name is changed.")
