"""App passwords and aliases of a mailbox."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request

from api.web.answers import Json
from api.web.bodies import read_fields
from api.web.dependencies import DomainManager, ThePartsOf, id_of
from api.web.drafts import read_draft
from api.web.ledger import TheLedger
from api.web.v1 import mailbox_shapes as shapes
from api.web.v1.documented import body, route
from api.web.v1.mailbox_places import mailbox_of, no_nul, require_reach
from api.web.v1.mailboxes import view
from api.web.v1.shapes import Deleted
from hourpost.errors import NotFound
from hourpost.mailboxes import app_passwords, changes
from hourpost.mailboxes.app_passwords import PREFIX, SCOPES, AppPassword

router = APIRouter(prefix="/mailboxes/{mailbox}", tags=["mailboxes"])


class NewAppPassword(BaseModel):
    """A password for one device or program."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "phone", "scopes": ["imap", "smtp"]}}
    )

    name: str = Field(max_length=1000, description="What you will know it by.")
    scopes: list[str] = Field(
        default_factory=lambda: [str(one) for one in SCOPES],
        max_length=10,
        description="What it logs in to: imap, pop3, smtp.",
    )


class NewAlias(BaseModel):
    """Another address of the mailbox."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"alias": "sales@acme.test"}})

    alias: str = Field(max_length=1000, description="On a verified domain of the account.")


ALIAS = TypeAdapter(NewAlias)


@router.post(
    "/app-passwords",
    **route("create_app_password", shapes.AppPasswordIssued, 201, openapi_extra=body("NewAppPassword")),
)
async def create_app_password(
    mailbox: str, request: Request, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger
) -> Response:
    """Make a password for one device. It is shown this once, and can be revoked by itself."""
    found = await mailbox_of(mailbox, caller, parts)
    draft = await read_draft(request, NewAppPassword)
    with draft.noting():
        app_passwords.check(draft.fields.name, draft.fields.scopes)
    fields = draft.end()
    async with parts.database.transaction() as connection:
        place, now = (caller.account_id, found.id), parts.clock.now()
        made = await app_passwords.create_app_password(connection, place, fields.name, fields.scopes, now)
        await ledger.note(
            connection, caller, "app_password_made", name=found.address, app_password=made.app_password.name
        )
    return Json(_view(made.app_password) | {"username": found.address, "password": made.secret}, 201)


@router.get("/app-passwords", **route("list_app_passwords", shapes.AppPasswordsListed))
async def list_app_passwords(mailbox: str, caller: DomainManager, parts: ThePartsOf) -> Response:
    """List the app passwords that are not revoked, oldest first, without their secrets."""
    found = await mailbox_of(mailbox, caller, parts)
    async with parts.database.reading() as connection:
        several = await app_passwords.list_app_passwords(connection, caller.account_id, found.id)
    return Json({"object": "list", "has_more": False, "data": [_view(one) for one in several]})


@router.delete("/app-passwords/{app_password}", **route("revoke_app_password", Deleted))
async def revoke_app_password(
    mailbox: str, app_password: str, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger
) -> Response:
    """Revoke an app password. Sessions that came in with it end at once."""
    found = await mailbox_of(mailbox, caller, parts)
    wanted = id_of(PREFIX, app_password, "app password")
    async with parts.database.transaction() as connection:
        place = (caller.account_id, found.id)
        await app_passwords.revoke_app_password(connection, place, wanted, parts.clock.now())
        await ledger.note(connection, caller, "app_password_revoked", name=found.address)
    return Json({"object": "app_password", "id": app_password, "deleted": True})


@router.post("/aliases", **route("add_alias", shapes.MailboxShape, 201, openapi_extra=body("NewAlias")))
async def add_alias(
    mailbox: str, request: Request, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger
) -> Response:
    """Let the mailbox get mail for another address, and send as it."""
    found = await mailbox_of(mailbox, caller, parts)
    fields = await read_fields(request, ALIAS)
    no_nul({"/alias": fields.alias})
    require_reach(caller, [("/alias", fields.alias)])
    async with parts.database.transaction() as connection:
        changed = await changes.add_alias(connection, caller.account_id, found.id, fields.alias, parts.clock.now())
        await ledger.note(connection, caller, "alias_added", name=found.address, alias=fields.alias)
    return Json(view(changed), 201)


@router.delete("/aliases/{alias}", **route("remove_alias", shapes.MailboxShape))
async def remove_alias(
    mailbox: str, alias: str, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger
) -> Response:
    """Take an alias from the mailbox."""
    found = await mailbox_of(mailbox, caller, parts)
    if "\0" in alias:
        raise NotFound("The mailbox has no such alias.")
    async with parts.database.transaction() as connection:
        changed = await changes.remove_alias(connection, caller.account_id, found.id, alias)
        await ledger.note(connection, caller, "alias_removed", name=found.address, alias=alias)
    return Json(view(changed))


def _view(one: AppPassword) -> dict[str, Any]:
    return {
        "object": "app_password",
        "id": one.public_id,
        "name": one.name,
        "hint": one.hint,
        "scopes": list(one.scopes),
        "last_used_at": one.last_used_at,
        "created_at": one.created_at,
    }
