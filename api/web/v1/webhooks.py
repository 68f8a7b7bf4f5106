"""Webhooks: addresses that are called when something happens to an email."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from api.web.answers import Json, list_of
from api.web.bodies import extra_for
from api.web.dependencies import Manager, PageAsked, ThePartsOf, id_of, paging_of
from api.web.drafts import read_draft
from api.web.ledger import TheLedger
from api.web.parts import Parts
from api.web.v1 import webhook_shapes as shapes
from api.web.v1.documented import body, route
from api.web.v1.shapes import Created, Deleted
from hourpost.gateways.outgoing import allowed_networks
from hourpost.rules.ids import to_text
from hourpost.webhooks import changes, queries
from hourpost.webhooks.kinds import KINDS
from hourpost.webhooks.queries import ATTEMPT_PREFIX, EVENT_PREFIX, PREFIX, StoredAttempt, StoredCall, Webhook

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

_Paging = Annotated[PageAsked, paging_of(PREFIX)]
_EventPaging = Annotated[PageAsked, paging_of(EVENT_PREFIX)]
_AttemptPaging = Annotated[PageAsked, paging_of(ATTEMPT_PREFIX)]

_EXAMPLE: dict[str, Any] = {"endpoint": "https://acme.example/hooks", "events": ["email.delivered", "email.bounced"]}
_EVENTS = f"What it is called for: {', '.join(KINDS)}."
State = Literal["pending", "success", "failed"]


class NewWebhook(BaseModel):
    """An address to call."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    endpoint: str = Field(
        max_length=changes.MAX_ENDPOINT, description="Reached by https, on the open internet, at a port for it."
    )
    events: list[str] = Field(max_length=100, description=_EVENTS)


class WebhookChange(BaseModel):
    """What is to change; what is not named stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"status": "enabled"}})

    endpoint: str | None = Field(None, max_length=changes.MAX_ENDPOINT)
    events: list[str] | None = Field(None, max_length=100, description=_EVENTS)
    status: Literal["enabled", "disabled"] | None = Field(None, description="Disabled, it is called for nothing.")


@router.post("", **route("create_webhook", shapes.WebhookIssued, 201, openapi_extra=body("NewWebhook")))
async def create_webhook(request: Request, caller: Manager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Have an address called. The answer holds the secret that signs the calls (Standard Webhooks)."""
    draft = await read_draft(request, NewWebhook)
    types = _known(request, draft.fields.events)
    with draft.noting():
        changes.check(draft.fields.endpoint, types, allowed_networks(parts.settings))
    fields = draft.end()
    async with parts.database.transaction() as connection:
        made = await changes.create_webhook(
            connection, caller.account_id, fields.endpoint, types, parts.cipher, parts.clock.now()
        )
        await ledger.note(connection, caller, "webhook_added", name=made.webhook.endpoint)
    view = _view(made.webhook) | {"signing_secret": made.secret}
    return Json(view, 201, {"Location": f"/v1/webhooks/{made.webhook.public_id}"})


@router.get("", **route("list_webhooks", shapes.WebhooksListed))
async def list_webhooks(caller: Manager, parts: ThePartsOf, paging: _Paging) -> Response:
    """List the webhooks of the account, newest first; those of routes for incoming mail too, often with no `events`."""
    page = paging.cursor(PREFIX)
    async with parts.database.reading() as connection:
        return list_of((await queries.list_webhooks(connection, caller.account_id, page)).map(_view))


@router.get("/{webhook_id}", **route("get_webhook", shapes.WebhookShape))
async def get_webhook(webhook_id: str, caller: Manager, parts: ThePartsOf) -> Response:
    """Get a webhook; with its signing secret, unless the key may only read."""
    webhook = await _webhook(webhook_id, caller, parts)
    secret = changes.reveal_secret(webhook, parts.cipher) if caller.scope == "full" else None
    return Json(_view(webhook) | {"signing_secret": secret})


@router.patch("/{webhook_id}", **route("update_webhook", shapes.WebhookShape, openapi_extra=body("WebhookChange")))
async def update_webhook(
    webhook_id: str, request: Request, caller: Manager, parts: ThePartsOf, ledger: TheLedger
) -> Response:
    """Change a webhook. Enabling it again starts its five days anew; disabling it ends what it is owed.

    Only that of a route for incoming mail may have no `events`: it is called for that mail in any case.
    """
    wanted = id_of(PREFIX, webhook_id, "webhook")
    draft = await read_draft(request, WebhookChange)
    asked = draft.fields.events
    types = None if asked is None else _known(request, asked)
    async with parts.database.reading() as connection:
        is_of_route = types == [] and await queries.find_route(connection, caller.account_id, wanted) is not None
    with draft.noting():
        changes.check(draft.fields.endpoint, types, allowed_networks(parts.settings), is_of_route=is_of_route)
    fields = draft.end()
    change = changes.Change(fields.endpoint, types, None if fields.status is None else fields.status == "enabled")
    async with parts.database.transaction() as connection:
        now = parts.clock.now()
        changed = await changes.update_webhook(connection, caller.account_id, wanted, change, now)
        await ledger.note(connection, caller, "webhook_changed", name=changed.endpoint)
    return Json(_view(changed))


@router.delete("/{webhook_id}", **route("delete_webhook", Deleted))
async def delete_webhook(webhook_id: str, caller: Manager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Delete a webhook with its events. That of a route for incoming mail goes with the route (409)."""
    wanted = id_of(PREFIX, webhook_id, "webhook")
    async with parts.database.transaction() as connection:
        webhook = await queries.get_webhook(connection, caller.account_id, wanted)
        await changes.delete_webhook(connection, caller.account_id, wanted)
        await ledger.note(connection, caller, "webhook_deleted", name=webhook.endpoint)
    return Json({"object": "webhook", "id": webhook_id, "deleted": True})


@router.post("/{webhook_id}/signing-secret/rotate", **route("rotate_webhook_secret", shapes.WebhookIssued))
async def rotate_webhook_secret(webhook_id: str, caller: Manager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Give a webhook a new secret. For 24 hours calls are signed with both, so that none is refused meanwhile.

    Rotated again within these, all of them sign, each until its own 24 hours end; at most the five latest old ones.
    """
    wanted = id_of(PREFIX, webhook_id, "webhook")
    async with parts.database.transaction() as connection:
        made = await changes.rotate_secret(connection, caller.account_id, wanted, parts.cipher, parts.clock.now())
        await ledger.note(connection, caller, "webhook_secret_rotated", name=made.webhook.endpoint)
    return Json(_view(made.webhook) | {"signing_secret": made.secret})


@router.post("/{webhook_id}/replay", **route("replay_webhook", shapes.WebhookReplayed))
async def replay_webhook(webhook_id: str, caller: Manager, parts: ThePartsOf) -> Response:
    """Call the webhook, now, for every event of the last 30 days that it has not taken. Each keeps its id.

    `replayed` counts those that have failed and those that would have waited for their next try.
    """
    webhook = await _webhook(webhook_id, caller, parts)
    async with parts.database.transaction() as connection:
        replayed = await changes.replay_failed(connection, webhook, parts.clock.now())
    return Json({"object": "webhook", "id": webhook_id, "replayed": replayed})


@router.post("/{webhook_id}/test", **route("send_test_event", Created))
async def send_test_event(
    webhook_id: str,
    caller: Manager,
    parts: ThePartsOf,
    type_: Annotated[
        str | None,
        Query(alias="type", description="Of which type; else the first that it is called for, of a route's the mail."),
    ] = None,
) -> Response:
    """Call the webhook for a made-up event, to see that it is taken. Its data say `"test": true`."""
    webhook = await _webhook(webhook_id, caller, parts)
    async with parts.database.transaction() as connection:
        event_id = await changes.send_test(connection, webhook, type_, parts.clock.now())
    return Json({"object": "webhook_event", "id": to_text(EVENT_PREFIX, event_id)})


@router.get("/{webhook_id}/events", **route("list_webhook_events", shapes.CallsListed))
async def list_webhook_events(
    webhook_id: str,
    caller: Manager,
    parts: ThePartsOf,
    paging: _EventPaging,
    state: Annotated[State | None, Query(alias="status", description="Only those in this state.")] = None,
) -> Response:
    """List the events of the last 30 days that the webhook was or will be called for, newest first."""
    page = paging.cursor(EVENT_PREFIX)
    webhook = await _webhook(webhook_id, caller, parts)
    async with parts.database.reading() as connection:
        return list_of((await queries.list_calls(connection, webhook, page, state)).map(_call_view))


@router.get("/{webhook_id}/events/{event_id}", **route("get_webhook_event", shapes.WebhookEventShape))
async def get_webhook_event(webhook_id: str, event_id: str, caller: Manager, parts: ThePartsOf) -> Response:
    """Get an event with what the webhook is told of it."""
    webhook = await _webhook(webhook_id, caller, parts)
    async with parts.database.reading() as connection:
        call = await queries.get_call(connection, webhook, id_of(EVENT_PREFIX, event_id, "event"))
        payload = await queries.get_payload(connection, call)
    next_at = call.due_at if call.state == "pending" else None
    return Json(_call_view(call) | {"object": "webhook_event", "next_attempt_at": next_at, "payload": payload})


@router.post("/{webhook_id}/events/{event_id}/replay", **route("replay_webhook_event", Created))
async def replay_webhook_event(webhook_id: str, event_id: str, caller: Manager, parts: ThePartsOf) -> Response:
    """Call the webhook for this event again, now, with the same id."""
    webhook = await _webhook(webhook_id, caller, parts)
    async with parts.database.transaction() as connection:
        wanted = id_of(EVENT_PREFIX, event_id, "event")
        await changes.replay(connection, webhook, wanted, parts.clock.now())
    return Json({"object": "webhook_event", "id": event_id})


@router.get("/{webhook_id}/events/{event_id}/attempts", **route("list_webhook_attempts", shapes.CallAttemptsListed))
async def list_webhook_attempts(
    webhook_id: str, event_id: str, caller: Manager, parts: ThePartsOf, paging: _AttemptPaging
) -> Response:
    """List the tries at an event, newest first, with the first 4 KB of each answer."""
    page = paging.cursor(ATTEMPT_PREFIX)
    webhook = await _webhook(webhook_id, caller, parts)
    async with parts.database.reading() as connection:
        call = await queries.get_call(connection, webhook, id_of(EVENT_PREFIX, event_id, "event"))
        return list_of((await queries.list_attempts(connection, call, page)).map(_attempt_view))


async def _webhook(webhook_id: str, caller: Manager, parts: Parts) -> Webhook:
    async with parts.database.reading() as connection:
        return await queries.get_webhook(connection, caller.account_id, id_of(PREFIX, webhook_id, "webhook"))


def _known(request: Request, types: list[str]) -> list[str]:
    """At the root, where clients of others come, types that never occur here are left out."""
    known = [name for name in types if name in KINDS]
    return known if known and extra_for(request) == "ignore" else types


def _view(webhook: Webhook) -> dict[str, Any]:
    return {
        "object": "webhook",
        "id": webhook.public_id,
        "endpoint": webhook.endpoint,
        "events": webhook.types,
        "status": "enabled" if webhook.disabled_at is None else "disabled",
        "disabled_at": webhook.disabled_at,
        "disabled_reason": webhook.disabled_reason,
        "failing_since": webhook.failing_since,
        "created_at": webhook.created_at,
    }


def _call_view(call: StoredCall) -> dict[str, Any]:
    return {
        "id": to_text(EVENT_PREFIX, call.event_id),
        "type": call.type,
        "created_at": call.created_at,
        "status": "attempting" if call.state == "pending" and call.attempts else call.state,
    }


def _attempt_view(attempt: StoredAttempt) -> dict[str, Any]:
    return {
        "id": to_text(ATTEMPT_PREFIX, attempt.id),
        "http_status_code": attempt.status,
        "response": attempt.response,
        "sent_at": attempt.sent_at,
        "seconds": round(attempt.seconds, 6),
    }
