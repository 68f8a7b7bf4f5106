"""Members of the account, and invitations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.web.dashboard.dependencies import id_in
from api.web.dashboard.forms import Form, faults_by_field, read_form
from api.web.dashboard.visitors import AnyMember, Manager, Visitor
from hourpost.errors import HourpostError, LimitExceeded, NotFound, Refused, Unavailable
from hourpost.rules.ids import from_text
from hourpost.rules.roles import May
from hourpost.users.members import (
    PREFIX,
    change_role,
    invite,
    list_invitations,
    remove_member,
    withdraw_invitation,
)
from hourpost.users.queries import USER_PREFIX, list_members

HERE = "/app/team"

router = APIRouter()


@router.get("/app/team")
async def get_team(visitor: AnyMember) -> Response:
    """Who belongs to the account."""
    return await _page(visitor)


@router.post("/app/team/invite")
async def post_invite(request: Request, visitor: Manager) -> Response:
    """Invite somebody."""
    form = await read_form(request)
    email, role = form.get("email", ""), form.get("role", "")
    try:
        invited = await invite(visitor.desk, visitor.account, visitor.user, email, role, visitor.actor())
    except (Refused, Unavailable) as error:
        return await _page(visitor, form, error)
    return visitor.redirect(HERE, f"An invitation is on its way to {invited}.")


@router.post("/app/team/invitations/{invitation_id}/withdraw")
async def post_withdraw(invitation_id: str, visitor: Manager) -> Response:
    """Take an invitation back."""
    found = id_in(PREFIX, invitation_id, "invitation")
    async with visitor.parts.database.transaction() as connection:
        await withdraw_invitation(connection, visitor.account.id, found, visitor.actor(), visitor.now)
    return visitor.redirect(HERE, "The invitation is withdrawn.")


@router.post("/app/team/{user_id}/role")
async def post_role(user_id: str, request: Request, visitor: Manager) -> Response:
    """Give a member another role."""
    form = await read_form(request)
    member = id_in(USER_PREFIX, user_id, "member")
    try:
        async with visitor.parts.database.transaction() as connection:
            await change_role(
                connection, visitor.account.id, member, form.get("role", ""), visitor.actor(), visitor.now
            )
    except NotFound:
        raise
    except Refused as error:
        return await _page(visitor, {}, error)
    return visitor.redirect(HERE, "The role is changed.")


@router.post("/app/team/{user_id}/remove")
async def post_remove(user_id: str, visitor: AnyMember) -> Response:
    """Take a member out of the account, or leave it oneself, which everybody may."""
    member = _removable(visitor, user_id)
    try:
        async with visitor.parts.database.transaction() as connection:
            await remove_member(connection, visitor.account.id, member, visitor.actor(), visitor.now)
    except NotFound:
        raise
    except Refused as error:
        return await _page(visitor, {}, error)
    if member == visitor.user.id:
        return visitor.redirect("/app", f"You have left {visitor.account.name}.", "info")
    return visitor.redirect(HERE, "The member is removed.")


def _removable(visitor: Visitor, user_id: str) -> UUID:
    member = from_text(USER_PREFIX, user_id)
    if member is None:
        raise NotFound("There is no such member.")
    if member != visitor.user.id:
        visitor.require(May.MANAGE)
    return member


async def _page(visitor: Visitor, form: Form | None = None, error: HourpostError | None = None) -> Response:
    async with visitor.parts.database.reading() as connection:
        members = await list_members(connection, visitor.account.id)
        may_manage = visitor.may(May.MANAGE)
        invitations = await list_invitations(connection, visitor.account.id, visitor.now) if may_manage else []
    status = 200 if error is None else 429 if isinstance(error, LimitExceeded) else 422
    faults = faults_by_field(error) if error else {}
    given: dict[str, Any] = {
        "members": members,
        "invitations": invitations,
        "form": form or {"role": "developer"},
        "faults": faults,
    }
    return await visitor.page("team.html", status=status, **given)
