"""The operator's pages: all accounts, what waits, how relays fare, what of Stripe is not acted on."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import without_nul
from api.web.dashboard.overview import CAUSES
from api.web.dashboard.visitors import LoggedIn, Person, Staff
from api.web.dependencies import id_of
from hourpost.accounts import audit, changes
from hourpost.accounts.audit import Actor
from hourpost.accounts.closing import LINGER, find_remains
from hourpost.accounts.queries import PREFIX, get_account, list_accounts, search_accounts
from hourpost.billing.events import retry_event
from hourpost.billing.queries import (
    find_current,
    find_customer,
    get_entitlement,
    list_alerts,
    list_failed_events,
)
from hourpost.emails.queues import read_queues
from hourpost.emails.relays import RelayNow, read_relays_now
from hourpost.errors import NotFound, ServiceUnavailable
from hourpost.flow import limit
from hourpost.gateways.relays import RelayUrlInvalid, parse_relays
from hourpost.mailboxes.changes import GRACE
from hourpost.pages import Cursor
from hourpost.rules.hour_tokens import Reading
from hourpost.rules.ids import from_text, to_text
from hourpost.users.queries import list_members
from hourpost.users.sessions import view_account

router = APIRouter()

PATH = "/operator"
_PAGE = 50
_WORDS = {cause: words for cause, (words, _) in CAUSES.items()} | {
    "plan": "Room in its hour",
    "schedule": "Its moment",
    "worker": "A worker",
    "account": "Its account, suspended or unpaid",
}


@router.get(PATH)
async def get_queues(visitor: Staff) -> Response:
    """What waits in the whole installation, and how relays fare."""
    async with visitor.parts.database.reading() as connection:
        queues = await read_queues(connection, visitor.now)
        relays = await read_relays_now(connection)
        alerts = await list_alerts(connection)
        failed = await list_failed_events(connection)
    return await visitor.page(
        "operator/queues.html",
        block="live",
        queues=queues,
        relays=relays,
        untold_relays=_untold(visitor, relays),
        is_waited_for=any(one.cause == "relay" and one.count for one in queues.waiting),
        cause_words=_WORDS,
        alerts=alerts,
        failed=failed,
        account_id=lambda value: to_text(PREFIX, value),
    )


def _untold(visitor: Staff, relays: list[RelayNow]) -> list[str]:
    """The relays that are configured and that no living worker tells of."""
    try:
        configured = [one.name for one in parse_relays(visitor.parts.settings.relays.get_secret_value())]
    except RelayUrlInvalid:  # `hourpost doctor` says what is wrong with it
        return []
    told = {one.relay for one in relays}
    return [name for name in configured if name not in told]


@router.post(PATH + "/stripe/{event_id}/retry")
async def post_retry(event_id: str, visitor: Staff) -> Response:
    """Act on a webhook of Stripe's now, and not when its pause is over."""
    if not event_id.isprintable():
        raise NotFound("There is no such webhook that waits.")
    async with visitor.parts.database.transaction() as connection:
        await retry_event(connection, event_id, visitor.now)
    visitor.parts.ring_billing()
    return visitor.redirect(PATH, "Stripe is asked anew; what it says shows here in a few seconds.")


@router.get(PATH + "/accounts")
async def get_accounts(request: Request, visitor: Staff) -> Response:
    """All accounts, or those that a word finds."""
    words = without_nul(request.query_params.get("q", "")).strip()
    place = Cursor(_PAGE, from_text(PREFIX, request.query_params.get("after", "")))
    async with visitor.parts.database.reading() as connection:
        search = search_accounts(connection, words, place) if words else list_accounts(connection, place)
        found = await search
    query = urlencode({"q": words, "after": found.data[-1].public_id}) if found.has_more else ""
    older = f"{PATH}/accounts?{query}" if query else ""
    return await visitor.page("operator/accounts.html", block="results", accounts=found.data, q=words, older=older)


@router.get(PATH + "/accounts/{account_id}")
async def get_one(account_id: str, visitor: Staff) -> Response:
    """One account: its people, its hour, and what it pays."""
    async with visitor.parts.database.reading() as connection:
        account = await get_account(connection, _id(account_id))
        shown: dict[str, Any] = {
            "members": await list_members(connection, account.id),
            "customer": await find_customer(connection, account.id),
            "current": await find_current(connection, account.id),
            "entitlement": await get_entitlement(connection, account.id),
            "alerts": await list_alerts(connection, account.id),
            "remains": await find_remains(connection, account.id) if account.closed_at else None,
        }
    reading = await _read_hour(visitor, account.id, account.limit)
    return await visitor.page(
        "operator/account.html", account=account, reading=reading, linger=LINGER, grace=GRACE, **shown
    )


@router.post(PATH + "/accounts/{account_id}/suspend")
async def post_suspend(account_id: str, visitor: Staff) -> Response:
    """Stop it from sending; what waits goes on waiting."""
    async with visitor.parts.database.transaction() as connection:
        account = await changes.suspend_account(connection, _id(account_id), visitor.now)
        await audit.note(connection, _actor(visitor, account.id), "account_suspended", visitor.now)
    return visitor.redirect(f"{PATH}/accounts/{account_id}", f"{account.name} is suspended.")


@router.post(PATH + "/accounts/{account_id}/resume")
async def post_resume(account_id: str, visitor: Staff) -> Response:
    """Let it send again; what waited leaves by itself."""
    async with visitor.parts.database.transaction() as connection:
        account = await changes.resume_account(connection, _id(account_id))
        await audit.note(connection, _actor(visitor, account.id), "account_resumed", visitor.now)
    return visitor.redirect(f"{PATH}/accounts/{account_id}", f"{account.name} sends again.")


@router.post(PATH + "/accounts/{account_id}/view")
async def post_view(account_id: str, visitor: Staff) -> Response:
    """Look at its pages without changing anything; its audit log says so."""
    async with visitor.parts.database.transaction() as connection:
        account = await get_account(connection, _id(account_id))
        changes.require_open(account)
        await view_account(connection, visitor.session.id, account.id)
        await audit.note(connection, _actor(visitor, account.id), "account_viewed", visitor.now)
    return visitor.redirect("/app")


@router.post(PATH + "/leave")
async def post_leave(visitor: LoggedIn) -> Response:
    """Look at one's own account again."""
    if not visitor.signed_in.is_viewing:
        raise NotFound("There is no such page.")
    async with visitor.parts.database.transaction() as connection:
        await view_account(connection, visitor.session.id, None)
    return visitor.redirect(f"{PATH}/accounts")


async def _read_hour(visitor: Person, account_id: UUID, plan_limit: int) -> Reading | None:
    if not plan_limit:
        return None
    try:
        return await limit.read(visitor.parts.hour, visitor.parts.database, account_id, plan_limit)
    except ServiceUnavailable:
        return None


def _actor(visitor: Person, account_id: UUID) -> Actor:
    return Actor(visitor.user.id, visitor.user.email, visitor.browser.address, account_id)


def _id(account_id: str) -> UUID:
    return id_of(PREFIX, account_id, "account")
