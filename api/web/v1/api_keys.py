"""API keys: making, changing and revoking them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field
from starlette.requests import Request

from api.web.answers import Json, list_of
from api.web.dependencies import BoundedManager, PageAsked, ThePartsOf, id_of, paging_of
from api.web.drafts import read_draft
from api.web.ledger import TheLedger
from api.web.v1 import account_shapes as shapes
from api.web.v1.credential_fields import CredentialChange, NewCredentialFields, change, to_new, view
from api.web.v1.documented import body, route
from api.web.v1.shapes import Deleted
from hourpost.credentials import changes, queries
from hourpost.credentials.queries import PREFIXES, Kind

router = APIRouter(prefix="/api-keys", tags=["API keys"])

_KIND = Kind.API_KEY
_PREFIX = PREFIXES[_KIND]
_Paging = Annotated[PageAsked, paging_of(_PREFIX)]


class NewApiKey(NewCredentialFields):
    """An API key to be."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "shop", "scope": "sending"}})

    test: bool = Field(
        False,
        description="A test key: nothing leaves and nothing counts, and it reaches tests alone. `bounced@shop.test` and"
        " such come to other ends than sent: see Keys above.",
    )


@router.post("", **route("create_api_key", shapes.KeyIssued, 201, openapi_extra=body("NewApiKey")))
async def create_api_key(request: Request, caller: BoundedManager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Make an API key. Its token is in this answer and nowhere else, ever."""
    draft = await read_draft(request, NewApiKey)
    now = parts.clock.now()
    async with parts.database.transaction() as connection:
        new = await to_new(connection, draft, caller, _KIND, now)
        issued = await changes.create_api_key(connection, caller.account_id, new, now)
        await ledger.note(connection, caller, "api_key_made", name=issued.credential.name)
    location = {"Location": f"/v1/api-keys/{issued.credential.public_id}"}
    return Json(view(issued.credential) | {"token": issued.secret}, 201, location)


@router.get("", **route("list_api_keys", shapes.KeysListed))
async def list_api_keys(caller: BoundedManager, parts: ThePartsOf, paging: _Paging) -> Response:
    """List the API keys of the account without their tokens, newest first."""
    page = paging.cursor(_PREFIX)
    async with parts.database.reading() as connection:
        found = await queries.list_credentials(connection, caller.account_id, _KIND, page, caller.reach)
    return list_of(found.map(view))


@router.get("/{key_id}", **route("get_api_key", shapes.KeyShape))
async def get_api_key(key_id: str, caller: BoundedManager, parts: ThePartsOf) -> Response:
    """Get an API key without its token."""
    wanted = id_of(_PREFIX, key_id, "API key")
    async with parts.database.reading() as connection:
        return Json(view(await queries.get_credential(connection, caller.account_id, _KIND, wanted, caller.reach)))


@router.patch("/{key_id}", **route("update_api_key", shapes.KeyShape, openapi_extra=body("CredentialChange")))
async def update_api_key(
    key_id: str, request: Request, caller: BoundedManager, parts: ThePartsOf, ledger: TheLedger
) -> Response:
    """Change the name of an API key, when it ends, or whether it files what it sends."""
    wanted = id_of(_PREFIX, key_id, "API key")
    draft = await read_draft(request, CredentialChange)
    async with parts.database.transaction() as connection:
        changed = await change(connection, caller, _KIND, wanted, draft, parts.clock.now())
        await ledger.note(connection, caller, "api_key_changed", name=changed.name)
    return Json(view(changed))


@router.delete("/{key_id}", **route("delete_api_key", Deleted))
async def delete_api_key(key_id: str, caller: BoundedManager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Revoke an API key, at once and for good."""
    wanted = id_of(_PREFIX, key_id, "API key")
    async with parts.database.transaction() as connection:
        now, reach = parts.clock.now(), caller.reach
        found = await queries.get_credential(connection, caller.account_id, _KIND, wanted, reach)
        await changes.revoke_credential(connection, caller.account_id, _KIND, wanted, now, reach)
        await ledger.note(connection, caller, "api_key_revoked", name=found.name)
    return Json({"object": _KIND.value, "id": key_id, "deleted": True})
