"""Suppressions: the addresses that are not sent to, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request

from api.web.answers import Json, list_of
from api.web.bodies import read_fields
from api.web.dependencies import BoundedManager, Manager, PageAsked, ThePartsOf, paging_of
from api.web.ledger import TheLedger
from api.web.v1 import account_shapes as shapes
from api.web.v1.documented import body, route
from hourpost.errors import Fault, ValidationFailed
from hourpost.rules.ids import to_text
from hourpost.suppressions import changes, queries
from hourpost.suppressions.queries import Reason, Suppression

router = APIRouter(prefix="/suppressions", tags=["suppressions"])

_Paging = Annotated[PageAsked, paging_of(queries.PREFIX)]


class NewSuppression(BaseModel):
    """An address that is not to be sent to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"email": "ada@example.net"}})

    email: str = Field(max_length=1000)


class ManyAddresses(BaseModel):
    """Addresses to suppress."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"emails": ["ada@example.net"]}})

    emails: list[str] = Field(min_length=1, max_length=changes.MAX_BATCH)


class ManyRemoved(BaseModel):
    """Suppressions to remove, by address or by id."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"emails": ["ada@example.net"]}})

    emails: list[str] | None = Field(None, max_length=changes.MAX_BATCH)
    ids: list[str] | None = Field(None, max_length=changes.MAX_BATCH)


NEW = TypeAdapter(NewSuppression)
MANY = TypeAdapter(ManyAddresses)
REMOVED = TypeAdapter(ManyRemoved)
_NAMED = 10  # in the audit log


@router.post("", **route("add_suppression", shapes.SuppressionShape, 201, openapi_extra=body("NewSuppression")))
async def add_suppression(request: Request, caller: Manager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Suppress an address. One that is suppressed already stays as it is."""
    fields = await read_fields(request, NEW)
    async with parts.database.transaction() as connection:
        added = await _add(connection, caller.account_id, [fields.email], parts.clock.now(), "/email", indexed=False)
        await ledger.note(connection, caller, "suppression_added", name=added[0].address)
    return Json(_view(added[0]), 201, {"Location": f"/v1/suppressions/{added[0].public_id}"})


@router.post("/batch/add", **route("add_suppressions", shapes.SuppressionsListed, openapi_extra=body("ManyAddresses")))
async def add_suppressions(request: Request, caller: Manager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Suppress up to 1,000 addresses, all or none of them."""
    fields = await read_fields(request, MANY)
    async with parts.database.transaction() as connection:
        added = await _add(connection, caller.account_id, fields.emails, parts.clock.now(), "/emails")
        if added:
            await ledger.note(connection, caller, "suppression_added", name=_names(added), count=str(len(added)))
    return Json({"object": "list", "has_more": False, "data": [_view(one) for one in added]})


@router.post(
    "/batch/remove", **route("remove_suppressions", shapes.SuppressionsRemoved, openapi_extra=body("ManyRemoved"))
)
async def remove_suppressions(request: Request, caller: Manager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Remove up to 1,000 suppressions; the answer holds those that there were."""
    fields = await read_fields(request, REMOVED)
    keys = [*(fields.emails or ()), *(fields.ids or ())]
    if not keys:
        raise ValidationFailed([Fault("/emails", "`emails` or `ids` is required", missing=True)])
    _refuse_nul(keys)
    async with parts.database.transaction() as connection:
        removed = await changes.remove_suppressions(connection, caller.account_id, keys)
        if removed:
            await ledger.note(connection, caller, "suppression_removed", name=_names(removed), count=str(len(removed)))
    return Json({"object": "list", "has_more": False, "data": [_removed(one) for one in removed]})


@router.get("", **route("list_suppressions", shapes.SuppressionsListed))
async def list_suppressions(
    caller: BoundedManager,
    parts: ThePartsOf,
    paging: _Paging,
    origin: Annotated[Reason | None, Query(description="Only those with this origin.")] = None,
) -> Response:
    """List suppressions, newest first."""
    page = paging.cursor(queries.PREFIX)
    async with parts.database.reading() as connection:
        found = await queries.list_suppressions(connection, caller.account_id, page, origin)
    return list_of(found.map(_view))


@router.get("/{suppression}", **route("get_suppression", shapes.SuppressionShape))
async def get_suppression(suppression: str, caller: BoundedManager, parts: ThePartsOf) -> Response:
    """Get a suppression by its id or its address."""
    _refuse_nul([suppression])
    async with parts.database.reading() as connection:
        return Json(_view(await queries.get_suppression(connection, caller.account_id, suppression)))


@router.delete("/{suppression}", **route("remove_suppression", shapes.SuppressionRemoved))
async def remove_suppression(suppression: str, caller: Manager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Remove a suppression by its id or its address: it is sent to again."""
    _refuse_nul([suppression])
    async with parts.database.transaction() as connection:
        gone = await changes.remove_suppression(connection, caller.account_id, suppression)
        await ledger.note(connection, caller, "suppression_removed", name=gone.address)
    return Json(_removed(gone))


async def _add(
    connection: Any, account_id: Any, addresses: list[str], now: Any, place: str, *, indexed: bool = True
) -> list[Suppression]:
    try:
        return await changes.add_suppressions(connection, account_id, addresses, now)
    except ValidationFailed as error:
        faults = [Fault(place + (one.pointer if indexed else ""), one.detail) for one in error.faults]
        raise ValidationFailed(faults) from error


def _names(several: Sequence[Suppression]) -> str:
    return ", ".join(one.address for one in several[:_NAMED])


def _refuse_nul(keys: list[str]) -> None:
    if any("\0" in key for key in keys):
        raise ValidationFailed([Fault("", "an address or id holds the character U+0000")])


def _view(one: Suppression) -> dict[str, Any]:
    return {
        "object": "suppression",
        "id": one.public_id,
        "email": one.address,
        "origin": one.reason,
        "source_id": to_text("em", one.email_id) if one.email_id else None,
        "created_at": one.created_at,
    }


def _removed(one: Suppression) -> dict[str, Any]:
    return {"object": "suppression", "id": one.public_id, "email": one.address, "deleted": True}
