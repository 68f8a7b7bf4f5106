"""Incoming mail over HTTP: routes that post it to a URL, and what came by them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from api.web import saved_files
from api.web.answers import Json, list_of
from api.web.dependencies import Manager, PageAsked, ThePartsOf, id_of, paging_of
from api.web.drafts import read_draft
from api.web.ledger import TheLedger
from api.web.v1 import inbound_shapes as shapes
from api.web.v1.attachments import NOT_KEPT, get_attachment
from api.web.v1.documented import body, download, route
from api.web.v1.shapes import Deleted
from hourpost.aside import aside
from hourpost.errors import NotFound
from hourpost.gateways.outgoing import allowed_networks
from hourpost.inbound import changes, queries
from hourpost.inbound.addressees import PREFIX
from hourpost.inbound.arrivals import ROUTE_PREFIX
from hourpost.inbound.queries import Filters, StoredInbound, StoredRoute
from hourpost.mailboxes.reading import open_raw
from hourpost.rules.ids import to_text
from hourpost.rules.mail.attachments import name_of
from hourpost.rules.mail.decoding import decode_part
from hourpost.webhooks.received import describe_content

router = APIRouter(prefix="/inbound", tags=["inbound"])

_RoutePaging = Annotated[PageAsked, paging_of(ROUTE_PREFIX)]
_Paging = Annotated[PageAsked, paging_of(PREFIX)]


_PATTERN = (
    "An address of a verified domain, which may have a mailbox too; or `*@` and the domain, for all of its mail that no"
    " other route, and no mailbox by its own name or an alias, takes."
)


class NewInboundRoute(BaseModel):
    """Whose mail goes where."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"pattern": "support@acme.test", "url": "https://acme.example/inbound"}},
    )

    pattern: str = Field(max_length=400, description=_PATTERN)
    url: str = Field(
        max_length=2000, description="Reached by https, on the open internet. Of its webhook it is the `endpoint`."
    )


@router.post("/routes", **route("create_inbound_route", shapes.RouteIssued, 201, openapi_extra=body("NewInboundRoute")))
async def create_inbound_route(request: Request, caller: Manager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Have mail for an address posted to a URL. The answer holds the secret that signs it (Standard Webhooks)."""
    draft = await read_draft(request, NewInboundRoute)
    pattern, url = draft.fields.pattern, draft.fields.url
    async with parts.database.transaction() as connection:
        with draft.noting():
            await changes.check_domain(connection, caller.account_id, changes.read_pattern(pattern).rpartition("@")[2])
        with draft.noting():
            changes.check_url(url, allowed_networks(parts.settings))
        draft.end()
        new = changes.check_route(pattern, url, allowed_networks(parts.settings))
        made = await changes.create_route(connection, caller.account_id, new, parts.cipher, parts.clock.now())
        await ledger.note(connection, caller, "route_added", name=new.pattern)
    view = _route_view(made.route) | {"signing_secret": made.secret}
    return Json(view, 201, {"Location": f"/v1/inbound/routes/{made.route.public_id}"})


@router.get("/routes", **route("list_inbound_routes", shapes.RoutesListed))
async def list_inbound_routes(caller: Manager, parts: ThePartsOf, paging: _RoutePaging) -> Response:
    """List the routes of the account, newest first."""
    page = paging.cursor(ROUTE_PREFIX)
    async with parts.database.reading() as connection:
        return list_of((await queries.list_routes(connection, caller.account_id, page)).map(_route_view))


@router.get("/routes/{route_id}", **route("get_inbound_route", shapes.RouteShape))
async def get_inbound_route(route_id: str, caller: Manager, parts: ThePartsOf) -> Response:
    """Get a route. Its webhook tells how its calls went, and gives it a new secret."""
    wanted = id_of(ROUTE_PREFIX, route_id, "route")
    async with parts.database.reading() as connection:
        return Json(_route_view(await queries.get_route(connection, caller.account_id, wanted)))


@router.delete("/routes/{route_id}", **route("delete_inbound_route", Deleted))
async def delete_inbound_route(route_id: str, caller: Manager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """End a route. The mail that came by it stays."""
    wanted = id_of(ROUTE_PREFIX, route_id, "route")
    async with parts.database.transaction() as connection:
        gone = await queries.get_route(connection, caller.account_id, wanted)
        await changes.delete_route(connection, caller.account_id, wanted)
        await ledger.note(connection, caller, "route_deleted", name=gone.pattern)
    return Json({"object": "inbound_route", "id": route_id, "deleted": True})


@router.get("", **route("list_inbound", shapes.InboundListed))
async def list_inbound(
    caller: Manager,
    parts: ThePartsOf,
    paging: _Paging,
    to: Annotated[str | None, Query(max_length=400, description="Only mail for this address.")] = None,
    route_id: Annotated[str | None, Query(max_length=60, description="Only mail of this route.")] = None,
) -> Response:
    """List the mail that came by routes, newest first. It is kept for 90 days where the operator says nothing else."""
    page = paging.cursor(PREFIX)
    wanted = id_of(ROUTE_PREFIX, route_id, "route") if route_id is not None else None
    recipient = to.replace("\0", "").lower() if to is not None else None
    async with parts.database.reading() as connection:
        found = await queries.list_inbound(connection, caller.account_id, page, Filters(wanted, recipient))
    return list_of(found.map(_view))


@router.get("/{inbound_id}", **route("get_inbound", shapes.InboundShape))
async def get_inbound(inbound_id: str, caller: Manager, parts: ThePartsOf) -> Response:
    """Get an incoming email: its texts, headers, and the list of its attachments; `html` is as its sender wrote it.

    Every part is in a text or among the attachments. `text` and `html` have at most 256 Ki characters, headers 256 KiB;
    where something was cut, `is_complete` is false here and in `email.received`, and `raw` has the whole of it.
    """
    email, content = await _load(inbound_id, caller.account_id, parts)
    return Json(_view(email) | await aside(len(content), lambda: describe_content(content), caller.account_id))


@router.get("/{inbound_id}/raw", **download("download_inbound", "message/rfc822", "The message."))
async def get_inbound_raw(inbound_id: str, caller: Manager, parts: ThePartsOf) -> Response:
    """Get the message as it came, below the headers that we put on top."""
    wanted = id_of(PREFIX, inbound_id, "email")
    async with parts.database.reading() as connection:
        email = await queries.get_inbound(connection, caller.account_id, wanted)
    pieces = await open_raw(parts.mail, email.id, email.size_bytes, NOT_KEPT)
    return saved_files.stream(pieces, email.size_bytes, "message/rfc822", f"{inbound_id}.eml")


@router.get(
    "/{inbound_id}/attachments/{attachment}",
    **download("get_inbound_attachment", "application/octet-stream", "What is attached, decoded."),
)
async def get_inbound_attachment(inbound_id: str, attachment: str, caller: Manager, parts: ThePartsOf) -> Response:
    """Get what is attached to an incoming email."""
    _, content = await _load(inbound_id, caller.account_id, parts)
    part = await aside(len(content), lambda: get_attachment(content, attachment), caller.account_id)
    decoded = await aside(part.body_size, lambda: decode_part(content, part), caller.account_id)
    return saved_files.download(decoded, "application/octet-stream", name_of(part))


async def _load(inbound_id: str, account_id: Any, parts: Any) -> tuple[StoredInbound, bytes]:
    wanted = id_of(PREFIX, inbound_id, "email")
    async with parts.database.reading() as connection:
        email = await queries.get_inbound(connection, account_id, wanted)
        content = await queries.read_content(connection, email)
    if not content:
        raise NotFound(NOT_KEPT)
    return email, content


def _view(one: StoredInbound) -> dict[str, Any]:
    return {
        "object": "inbound_email",
        "id": one.public_id,
        "route_id": to_text(ROUTE_PREFIX, one.route_id),
        "envelope": {"from": one.envelope_from, "to": one.recipient},
        "from": one.header_from,
        "to": [one.recipient],
        "subject": one.subject,
        "message_id": one.message_id,
        "authentication": one.authentication,
        "size": one.size_bytes,
        "created_at": one.received_at,
    }


def _route_view(one: StoredRoute) -> dict[str, Any]:
    return {
        "object": "inbound_route",
        "id": one.public_id,
        "pattern": one.pattern,
        "url": one.url,
        "webhook_id": to_text("whk", one.webhook_id),
        "created_at": one.created_at,
    }
