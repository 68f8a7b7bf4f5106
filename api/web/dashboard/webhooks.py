"""Webhooks: addresses of the customer's that are told what happens, and what became of each call."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import faults_by_field, read_form, read_list
from api.web.dashboard.visitors import Developer, Visitor
from api.web.dependencies import id_of
from hourpost.accounts import audit
from hourpost.errors import Refused
from hourpost.gateways.outgoing import allowed_networks
from hourpost.pages import MAX_LIMIT, Cursor
from hourpost.rules.ids import from_text, to_text
from hourpost.webhooks import changes, queries
from hourpost.webhooks.kinds import KINDS
from hourpost.webhooks.queries import EVENT_PREFIX, PREFIX, Webhook

router = APIRouter()

PATH = "/app/webhooks"
_ONE = PATH + "/{webhook_id}"
_PAGE = 50
WORDS = {
    "email.queued": "accepted, with a place in the hour",
    "email.held": "accepted, and waits for room",
    "email.scheduled": "waits for the moment chosen",
    "email.sent": "taken by the relay",
    "email.delivered": "in the recipient's mailbox",
    "email.delivery_delayed": "not taken yet, tried again",
    "email.bounced": "refused for good",
    "email.complained": "called spam by its reader",
    "email.suppressed": "not sent: on your list",
    "email.failed": "cannot be sent, or too late",
    "email.canceled": "called off by its sender",
    "email.received": "came in for a mailbox of yours",
    "email.replied": "answered by its recipient",
    "webhook.disabled": "one of your webhooks is switched off",
}
"""What each type of event means."""


@router.get(PATH)
async def list_page(visitor: Developer) -> Response:
    """All webhooks, and a form for one more."""
    return await _list(visitor)


@router.post(PATH)
async def post_webhook(request: Request, visitor: Developer) -> Response:
    """Add a webhook; its signing secret is on its page."""
    form, types = await read_form(request), await read_list(request, "events")
    try:
        endpoint = form.get("endpoint", "")
        changes.check(endpoint, types, allowed_networks(visitor.parts.settings))
        async with visitor.parts.database.transaction() as connection:
            made = await changes.create_webhook(
                connection, visitor.account.id, endpoint, types, visitor.parts.cipher, visitor.now
            )
            await audit.note(connection, visitor.actor(), "webhook_added", visitor.now, name=endpoint)
    except Refused as error:
        return await _list(visitor, status=422, form=form, chosen=types, faults=faults_by_field(error))
    return visitor.redirect(f"{PATH}/{made.webhook.public_id}", "The webhook is added.")


@router.get(_ONE)
async def get_page(webhook_id: str, request: Request, visitor: Developer) -> Response:
    """One webhook with its secret and its calls."""
    webhook = await _webhook(visitor, webhook_id)
    after = from_text(EVENT_PREFIX, request.query_params.get("after", ""))
    async with visitor.parts.database.reading() as connection:
        calls = await queries.list_calls(connection, webhook, Cursor(_PAGE, after))
        about = await queries.recipients_of(connection, calls.data)
        of_route = await queries.find_route(connection, visitor.account.id, webhook.id)
    older = f"{PATH}/{webhook_id}?after={_event_id(calls.data[-1].event_id)}" if calls.has_more else ""
    secret = changes.reveal_secret(webhook, visitor.parts.cipher)
    return await visitor.page(
        "webhooks/one.html", block="calls", webhook=webhook, secret=secret, calls=calls.data, older=older,
        event_id=_event_id, types=list(KINDS), words=WORDS, about=about, of_route=of_route,
    )  # fmt: skip


@router.get(_ONE + "/events/{event_id}")
async def get_event(webhook_id: str, event_id: str, visitor: Developer) -> Response:
    """One call: what was told, and each try at it."""
    webhook = await _webhook(visitor, webhook_id)
    async with visitor.parts.database.reading() as connection:
        call = await queries.get_call(connection, webhook, id_of(EVENT_PREFIX, event_id, "event"))
        payload = await queries.get_payload(connection, call)
        attempts = await queries.list_attempts(connection, call, Cursor(MAX_LIMIT))
    return await visitor.page(
        "webhooks/event.html", block="live", webhook=webhook, call=call, payload=payload, attempts=attempts.data,
        event_id=event_id,
    )  # fmt: skip


@router.post(_ONE + "/test")
async def post_test(webhook_id: str, request: Request, visitor: Developer) -> Response:
    """Call it for a made-up event, and show what becomes of that."""
    webhook = await _webhook(visitor, webhook_id)
    form = await read_form(request)
    try:
        async with visitor.parts.database.transaction() as connection:
            event_id = await changes.send_test(connection, webhook, form.get("type"), visitor.now)
    except Refused as error:
        return visitor.redirect(f"{PATH}/{webhook_id}", error.message, "bad")
    return visitor.redirect(f"{PATH}/{webhook_id}/events/{_event_id(event_id)}", "A test event is on its way.")


@router.post(_ONE + "/events/{event_id}/replay")
async def post_replay(webhook_id: str, event_id: str, visitor: Developer) -> Response:
    """Call again, at once."""
    webhook = await _webhook(visitor, webhook_id)
    where = f"{PATH}/{webhook_id}/events/{event_id}"
    wanted = id_of(EVENT_PREFIX, event_id, "event")
    if webhook.disabled_at is not None:
        return visitor.redirect(where, "The webhook is disabled: enable it first.", "bad")
    async with visitor.parts.database.transaction() as connection:
        await changes.replay(connection, webhook, wanted, visitor.now)
    return visitor.redirect(where, "It is called again now.")


@router.post(_ONE + "/events")
async def post_events(webhook_id: str, request: Request, visitor: Developer) -> Response:
    """Change what it is told of."""
    types = await read_list(request, "events")
    return await _change(visitor, webhook_id, changes.Change(types=types), "It is told of these from now on.")


@router.post(_ONE + "/enable")
async def post_enable(webhook_id: str, visitor: Developer) -> Response:
    """Call it again."""
    return await _change(visitor, webhook_id, changes.Change(enabled=True), "The webhook is called again.")


@router.post(_ONE + "/disable")
async def post_disable(webhook_id: str, visitor: Developer) -> Response:
    """Call it for nothing more."""
    return await _change(visitor, webhook_id, changes.Change(enabled=False), "The webhook is not called any more.")


@router.post(_ONE + "/rotate")
async def post_rotate(webhook_id: str, visitor: Developer) -> Response:
    """Give it a new secret; for a day calls are signed with both."""
    webhook = await _webhook(visitor, webhook_id)
    async with visitor.parts.database.transaction() as connection:
        await changes.rotate_secret(connection, visitor.account.id, webhook.id, visitor.parts.cipher, visitor.now)
        await audit.note(connection, visitor.actor(), "webhook_secret_rotated", visitor.now, name=webhook.endpoint)
    return visitor.redirect(f"{PATH}/{webhook_id}", "There is a new secret; the old one signs beside it for a day.")


@router.post(_ONE + "/delete")
async def post_delete(webhook_id: str, visitor: Developer) -> Response:
    """Delete it with what it was told; that of a route goes with the route."""
    webhook = await _webhook(visitor, webhook_id)
    try:
        async with visitor.parts.database.transaction() as connection:
            await changes.delete_webhook(connection, visitor.account.id, webhook.id)
            await audit.note(connection, visitor.actor(), "webhook_deleted", visitor.now, name=webhook.endpoint)
    except Refused as error:
        return visitor.redirect(f"{PATH}/{webhook_id}", error.message, "bad")
    return visitor.redirect(PATH, "The webhook is deleted.")


async def _change(visitor: Visitor, webhook_id: str, change: changes.Change, words: str) -> Response:
    where = f"{PATH}/{webhook_id}"
    webhook = await _webhook(visitor, webhook_id)
    async with visitor.parts.database.reading() as connection:
        is_of_route = await queries.find_route(connection, visitor.account.id, webhook.id) is not None
    try:
        changes.check(None, change.types, allowed_networks(visitor.parts.settings), is_of_route=is_of_route)
        async with visitor.parts.database.transaction() as connection:
            changed = await changes.update_webhook(connection, visitor.account.id, _id(webhook_id), change, visitor.now)
            await audit.note(connection, visitor.actor(), "webhook_changed", visitor.now, name=changed.endpoint)
    except Refused as error:
        return visitor.redirect(where, error.message, "bad")
    return visitor.redirect(where, words)


async def _list(visitor: Visitor, *, status: int = 200, chosen: list[str] | None = None, **given: Any) -> Response:
    async with visitor.parts.database.reading() as connection:
        found = await queries.list_webhooks(connection, visitor.account.id, Cursor(MAX_LIMIT))
    usual = ["email.delivered", "email.bounced", "email.complained", "email.failed"]
    return await visitor.page(
        "webhooks/list.html",
        status=status,
        webhooks=found.data,
        types=list(KINDS),
        words=WORDS,
        chosen=chosen if chosen is not None else usual,
        **given,
    )


async def _webhook(visitor: Visitor, webhook_id: str) -> Webhook:
    async with visitor.parts.database.reading() as connection:
        return await queries.get_webhook(connection, visitor.account.id, _id(webhook_id))


def _id(webhook_id: str) -> UUID:
    return id_of(PREFIX, webhook_id, "webhook")


def _event_id(value: UUID) -> str:
    return to_text(EVENT_PREFIX, value)
