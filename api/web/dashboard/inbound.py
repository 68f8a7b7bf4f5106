"""Incoming mail that is posted to a program: routes, and the latest mail that came by them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import faults_by_field, read_form
from api.web.dashboard.visitors import Developer, Visitor
from api.web.dependencies import id_of
from hourpost.accounts import audit
from hourpost.errors import Refused
from hourpost.gateways.outgoing import allowed_networks
from hourpost.inbound import changes, queries
from hourpost.inbound.arrivals import ROUTE_PREFIX
from hourpost.pages import MAX_LIMIT, Cursor
from hourpost.rules.ids import from_text, to_text
from hourpost.webhooks.queries import PREFIX as WEBHOOK

router = APIRouter()

PATH = "/app/inbound"
_LATEST = 20


@router.get(PATH)
async def list_page(request: Request, visitor: Developer) -> Response:
    """All routes, a form for one more, and the latest mail."""
    return await _list(visitor, request.query_params.get("after", ""))


@router.post(PATH)
async def post_route(request: Request, visitor: Developer) -> Response:
    """Add a route; its signing secret is on the page of its webhook."""
    form = await read_form(request)
    try:
        new = changes.check_route(
            form.get("pattern", ""), form.get("url", ""), allowed_networks(visitor.parts.settings)
        )
        async with visitor.parts.database.transaction() as connection:
            made = await changes.create_route(connection, visitor.account.id, new, visitor.parts.cipher, visitor.now)
            await audit.note(connection, visitor.actor(), "route_added", visitor.now, name=new.pattern)
    except Refused as error:
        return await _list(visitor, status=422, form=form, faults=faults_by_field(error))
    where = f"/app/webhooks/{to_text(WEBHOOK, made.route.webhook_id)}"
    return visitor.redirect(where, f"Mail for {new.pattern} is posted there from now on, signed with this secret.")


@router.post(PATH + "/{route_id}/delete")
async def post_delete(route_id: str, visitor: Developer) -> Response:
    """End a route with its webhook; the mail that came by it stays."""
    async with visitor.parts.database.transaction() as connection:
        route = await queries.get_route(connection, visitor.account.id, id_of(ROUTE_PREFIX, route_id, "route"))
        await changes.delete_route(connection, visitor.account.id, route.id)
        await audit.note(connection, visitor.actor(), "route_deleted", visitor.now, name=route.pattern)
    return visitor.redirect(PATH, f"Mail for {route.pattern} is posted nowhere any more.")


async def _list(visitor: Visitor, after: str = "", *, status: int = 200, **given: Any) -> Response:
    place = Cursor(MAX_LIMIT, from_text(ROUTE_PREFIX, after) if after else None)
    async with visitor.parts.database.reading() as connection:
        routes = await queries.list_routes(connection, visitor.account.id, place)
        latest = await queries.list_inbound(connection, visitor.account.id, Cursor(_LATEST), queries.Filters())
    return await visitor.page(
        "inbound/list.html",
        status=status,
        routes=[(one, f"/app/webhooks/{to_text(WEBHOOK, one.webhook_id)}") for one in routes.data],
        older=f"{PATH}?after={routes.data[-1].public_id}" if routes.has_more else "",
        mails=latest.data,
        **given,
    )
