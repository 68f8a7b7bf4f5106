"""The account's settings. Also the example of a page with a form."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import Form, faults_by_field, read_form
from api.web.dashboard.visitors import AnyMember, Manager, Visitor
from hourpost.accounts import audit
from hourpost.accounts.changes import UNKNOWN_POLICIES, rename_account, set_unknown_policy
from hourpost.errors import Refused

router = APIRouter()


@router.get("/app/account")
async def get_account(visitor: AnyMember) -> Response:
    """The account's settings."""
    return await _show(visitor, {})


@router.post("/app/account")
async def post_account(request: Request, visitor: Manager) -> Response:
    """Rename the account."""
    form = await read_form(request)
    try:
        async with visitor.parts.database.transaction() as connection:
            await rename_account(connection, visitor.account.id, form.get("name", ""))
            await audit.note(connection, visitor.actor(), "account_renamed", visitor.now, name=form.get("name", ""))
    except Refused as error:
        return await _show(visitor, form, error)
    return visitor.redirect("/app/account", "The name is changed.")


@router.post("/app/account/lost-answers")
async def post_lost_answers(request: Request, visitor: Manager) -> Response:
    """Choose what becomes of an email whose answer was lost."""
    form = await read_form(request)
    policy = form.get("policy", "")
    try:
        async with visitor.parts.database.transaction() as connection:
            await set_unknown_policy(connection, visitor.account.id, policy)
            await audit.note(connection, visitor.actor(), "lost_answers_changed", visitor.now, policy=policy)
    except Refused as error:
        return await _show(visitor, form, error)
    return visitor.redirect("/app/account", "From now on it is so.")


async def _show(visitor: Visitor, form: Form, error: Refused | None = None) -> Response:
    shown = {"name": visitor.account.name, "policy": visitor.account.unknown_policy} | form
    faults = faults_by_field(error) if error else {}
    return await visitor.page(
        "account.html", status=422 if error else 200, form=shown, faults=faults, policies=UNKNOWN_POLICIES
    )
