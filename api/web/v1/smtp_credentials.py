"""SMTP credentials: user names and passwords for the submission doors."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import ConfigDict
from starlette.requests import Request

from api.web.answers import Json, list_of
from api.web.dependencies import DomainManager, PageAsked, ThePartsOf, id_of, paging_of
from api.web.drafts import read_draft
from api.web.ledger import TheLedger
from api.web.v1 import account_shapes as shapes
from api.web.v1.credential_fields import CredentialChange, NewCredentialFields, change, to_new, view
from api.web.v1.documented import body, route
from api.web.v1.shapes import Deleted
from hourpost.credentials import changes, queries
from hourpost.credentials.queries import PREFIXES, Kind

router = APIRouter(prefix="/smtp-credentials", tags=["SMTP credentials"])

_KIND = Kind.SMTP
_PREFIX = PREFIXES[_KIND]
_Paging = Annotated[PageAsked, paging_of(_PREFIX)]


class NewSmtpCredential(NewCredentialFields):
    """An SMTP credential to be."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "printer"}})


@router.post("", **route("create_smtp_credential", shapes.LoginIssued, 201, openapi_extra=body("NewSmtpCredential")))
async def create_smtp_credential(
    request: Request, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger
) -> Response:
    """Make an SMTP credential. Its password is in this answer and nowhere else, ever."""
    draft = await read_draft(request, NewSmtpCredential)
    now = parts.clock.now()
    async with parts.database.transaction() as connection:
        new = await to_new(connection, draft, caller, _KIND, now)
        issued = await changes.create_smtp_credential(connection, caller.account_id, new, now)
        await ledger.note(connection, caller, "smtp_made", name=issued.credential.name)
    location = {"Location": f"/v1/smtp-credentials/{issued.credential.public_id}"}
    return Json(view(issued.credential) | {"password": issued.secret}, 201, location)


@router.get("", **route("list_smtp_credentials", shapes.LoginsListed))
async def list_smtp_credentials(caller: DomainManager, parts: ThePartsOf, paging: _Paging) -> Response:
    """List the SMTP credentials of the account without their passwords, newest first."""
    page = paging.cursor(_PREFIX)
    async with parts.database.reading() as connection:
        found = await queries.list_credentials(connection, caller.account_id, _KIND, page, caller.reach)
    return list_of(found.map(view))


@router.get("/{credential_id}", **route("get_smtp_credential", shapes.LoginShape))
async def get_smtp_credential(credential_id: str, caller: DomainManager, parts: ThePartsOf) -> Response:
    """Get an SMTP credential without its password."""
    wanted = id_of(_PREFIX, credential_id, "SMTP credential")
    async with parts.database.reading() as connection:
        return Json(view(await queries.get_credential(connection, caller.account_id, _KIND, wanted, caller.reach)))


@router.patch(
    "/{credential_id}", **route("update_smtp_credential", shapes.LoginShape, openapi_extra=body("CredentialChange"))
)
async def update_smtp_credential(
    credential_id: str, request: Request, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger
) -> Response:
    """Change the name of an SMTP credential, when it ends, or whether it files what it sends."""
    wanted = id_of(_PREFIX, credential_id, "SMTP credential")
    draft = await read_draft(request, CredentialChange)
    async with parts.database.transaction() as connection:
        changed = await change(connection, caller, _KIND, wanted, draft, parts.clock.now())
        await ledger.note(connection, caller, "smtp_changed", name=changed.name)
    return Json(view(changed))


@router.delete("/{credential_id}", **route("delete_smtp_credential", Deleted))
async def delete_smtp_credential(
    credential_id: str, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger
) -> Response:
    """Revoke an SMTP credential, at once and for good."""
    wanted = id_of(_PREFIX, credential_id, "SMTP credential")
    async with parts.database.transaction() as connection:
        now, reach = parts.clock.now(), caller.reach
        found = await queries.get_credential(connection, caller.account_id, _KIND, wanted, reach)
        await changes.revoke_credential(connection, caller.account_id, _KIND, wanted, now, reach)
        await ledger.note(connection, caller, "smtp_revoked", name=found.name)
    return Json({"object": _KIND.value, "id": credential_id, "deleted": True})
