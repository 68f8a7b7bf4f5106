"""The account: its name, and which of their accounts a person looks at. Also the example of a page with a form."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import faults_by_field, local_path, read_form
from api.web.dashboard.visitors import AnyMember, LoggedIn, Manager
from hourpost.accounts.changes import rename_account
from hourpost.accounts.queries import PREFIX
from hourpost.errors import NotFound, Refused
from hourpost.rules.ids import from_text
from hourpost.users import audit
from hourpost.users.sessions import choose_account

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


@router.post("/app/accounts/choose")
async def post_choose(request: Request, visitor: LoggedIn) -> Response:
    """Look at another account of one's own."""
    form = await read_form(request)
    wanted = from_text(PREFIX, form.get("account", ""))
    if wanted not in {account.id for account in visitor.signed_in.accounts} or wanted is None:
        raise NotFound("There is no such account.")
    async with visitor.parts.database.transaction() as connection:
        await choose_account(connection, visitor.session.id, wanted)
    return visitor.redirect(local_path(form.get("next"), "/app"))
