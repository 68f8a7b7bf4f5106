"""Emails: the list with its filters, one email with all that became of it, and what can be done with it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import tzinfo
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from api.web.dashboard.answered import page_before
from api.web.dashboard.email_content import PATH, id_of_email, load_email
from api.web.dashboard.forms import faults_by_field, read_form
from api.web.dashboard.states import STATES, became_of
from api.web.dashboard.visitors import Reader, Sender, Visitor
from api.web.dependencies import cursor
from api.web.faults import faults_in
from api.web.v1.email_filters import EmailQuery
from api.web.v1.moments import Typed
from hourpost.accounts import audit
from hourpost.emails import changes, queries
from hourpost.emails.again import read_again
from hourpost.emails.hour import give_back
from hourpost.emails.queries import StoredAttempt, StoredEmail, StoredEvent
from hourpost.errors import Fault, HourpostError, IdempotencyInFlight, NotFound, Refused, ValidationFailed
from hourpost.flow.leaving import read_leaving, read_too_late
from hourpost.pages import Cursor, Page
from hourpost.rules.delivery_state import CANCELABLE, State
from hourpost.rules.ids import moment_of, to_text
from hourpost.rules.mail.attachments import list_attachments, name_of
from hourpost.rules.mail.written import read_written
from hourpost.rules.moments import MomentError, find_zone, parse_future_moment
from hourpost.rules.smtp_replies import explain
from hourpost.suppressions.changes import add_suppressions

router = APIRouter()

_PAGE = 50
_FILTERS = ("status", "to", "from", "subject", "tag", "message_id", "since", "until")
_FURTHER = frozenset({"from", "tag", "message_id", "since", "until"})
"""Filters that a page folds away until one of them is used."""
_STATUS_CHOICES = [("", "Any"), *((state.value, shown.words) for state, shown in STATES.items())]
_RESCHEDULABLE = frozenset({State.SCHEDULED, State.HELD})


@router.get(PATH)
async def list_page(request: Request, visitor: Reader) -> Response:
    """The list, narrowed and paged by what stands in the address."""
    asked = {name: value.strip() for name, value in request.query_params.items() if value.strip()}
    form = {name: asked[name] for name in _FILTERS if name in asked}
    zone = find_zone(asked.get("time_zone", ""))
    if zone and not form.keys().isdisjoint(("since", "until")):
        form["time_zone"] = zone.key
    try:
        filters = _filters_of(form, zone)
        place = cursor("em", _PAGE, asked.get("after"), asked.get("before"))
        async with visitor.parts.database.reading() as connection:
            found = await queries.list_emails(connection, visitor.account.id, filters, place)
    except ValidationFailed as error:
        faults = {name: words for name, words in faults_by_field(error).items() if name in _FILTERS}
        faults = faults or {"": "There is no such page of this list."}
        return await visitor.page(
            "emails/list.html", status=422, faults=faults, emails=[], searched_to=None, **_list(form)
        )
    newer, older = _ends(form, place, found)
    searched_to = moment_of(found.searched_to) if found.searched_to is not None else None
    return await visitor.page(
        "emails/list.html", block="results", emails=found.data, searched_to=searched_to, **_list(form, newer, older)
    )


@router.get(PATH + "/{email_id}")
async def get_page(email_id: str, visitor: Reader, view: str = "preview") -> Response:
    """One email; its content is read for the page and not for the part of it that asks for itself again."""
    is_live = "hx-request" in visitor.request.headers
    return await _show(visitor, email_id, view, with_content=not is_live)


@router.post(PATH + "/{email_id}/cancel")
async def post_cancel(email_id: str, visitor: Sender) -> Response:
    """Cancel what has not left yet."""
    try:
        async with visitor.parts.database.transaction() as connection:
            given = await changes.cancel_email(connection, visitor.account.id, id_of_email(email_id), visitor.now)
    except Refused as error:
        return _back(visitor, email_id, error)
    await give_back(visitor.parts.hour, visitor.parts.database, given)
    return visitor.redirect(f"{PATH}/{email_id}", "What had not left yet is canceled.")


@router.post(PATH + "/{email_id}/reschedule")
async def post_reschedule(email_id: str, request: Request, visitor: Sender) -> Response:
    """Give it another moment to leave at."""
    form = await read_form(request)
    try:
        zone = find_zone(form.get("time_zone", ""))
        moment = parse_future_moment(form.get("scheduled_at", ""), now=visitor.now, zone=zone)
        async with visitor.parts.database.transaction() as connection:
            given = await changes.reschedule_email(
                connection, visitor.account.id, id_of_email(email_id), moment, visitor.now
            )
    except MomentError as error:
        fault = Fault("/scheduled_at", f"this {error}")
        return await _show(visitor, email_id, "preview", form=form, faults=faults_by_field(ValidationFailed([fault])))
    except Refused as error:
        return _back(visitor, email_id, error)
    parts, account = visitor.parts, visitor.account
    await give_back(parts.hour, parts.database, given)
    async with parts.database.reading() as connection:
        email = await queries.get_email(connection, account.id, id_of_email(email_id))
    leaves_at = await read_too_late(parts.hour, parts.database, account.id, account.limit, email)
    if leaves_at is None:
        return visitor.redirect(f"{PATH}/{email_id}", "It leaves at the new moment.")
    told = f"As things are now, the hour has no room for all of it before {leaves_at:%H:%M} UTC, when it has expired."
    return visitor.redirect(f"{PATH}/{email_id}", told, "warn")


@router.post(PATH + "/{email_id}/again")
async def post_again(email_id: str, request: Request, visitor: Sender) -> Response:
    """Send the same content to the same recipients as a new email: as one, however often the page's form comes."""
    nonce = (await read_form(request)).get("nonce", "")[:64]
    try:
        standing = await visitor.parts.standings.by_account(visitor.account.id)
        async with visitor.parts.database.reading() as connection:
            order = await read_again(connection, id_of_email(email_id), standing, visitor.now)
        key = f"hourpost-again-{email_id}-{nonce}" if nonce else None
        receipt = await visitor.parts.intake.accept(replace(order, idempotency_key=key))
    except IdempotencyInFlight:
        return visitor.redirect(PATH, "It is being sent again already.", "info")
    except HourpostError as error:
        return _back(visitor, email_id, error)
    words, tone = became_of(receipt.placed[0])
    new_id = to_text("em", receipt.placed[0].email_id)
    return visitor.redirect(f"{PATH}/{new_id}", f"This is a new email with the same content: it {words}.", tone)


@router.post(PATH + "/{email_id}/suppress")
async def post_suppress(email_id: str, request: Request, visitor: Sender) -> Response:
    """Never send to one of its recipients again."""
    form = await read_form(request)
    email, _ = await load_email(visitor, email_id, with_content=False)
    address = next((one.address for one in email.deliveries if one.address == form.get("address")), None)
    if address is None:
        raise NotFound("This email has no such recipient.")
    async with visitor.parts.database.transaction() as connection:
        await add_suppressions(connection, visitor.account.id, [address], visitor.now, email_id=email.id)
        await audit.note(connection, visitor.actor(), "suppression_added", visitor.now, name=address)
    return visitor.redirect(f"{PATH}/{email_id}", f"Nothing is sent to {address} any more.")


async def _show(
    visitor: Visitor,
    email_id: str,
    view: str,
    *,
    with_content: bool = True,
    form: dict[str, str] | None = None,
    faults: dict[str, str] | None = None,
) -> Response:
    email, content = await load_email(visitor, email_id, with_content=with_content)
    async with visitor.parts.database.reading() as connection:
        events = await queries.list_events(connection, email)
        attempts = await queries.list_attempts(connection, email)
    states = {one.state for one in email.deliveries}
    before = page_before(visitor.request)
    return await visitor.page(
        "emails/one.html",
        block="live",
        status=422 if faults else 200,
        email=email,
        email_id=email_id,
        back=before if before.partition("?")[0] == PATH else PATH,
        message=read_written(content) if content else None,
        source=content[:_SHOWN_BYTES].decode("utf-8", "replace"),
        is_cut=len(content) > _SHOWN_BYTES,
        attachments=list_attachments(content),
        name_of=name_of,
        view=view if view in VIEWS else "preview",
        recipients=[(one, _timeline(one.position, events, attempts)) for one in email.deliveries],
        leaving=await read_leaving(
            visitor.parts.hour, visitor.parts.database, visitor.account.id, visitor.account.limit, email
        ),
        may_cancel=bool(states & CANCELABLE),
        may_reschedule=bool(states & _RESCHEDULABLE),
        explain=explain,
        form=form or {},
        faults=faults or {},
        nonce=secrets.token_urlsafe(12),
    )


VIEWS = ("preview", "text", "headers", "source")
_SHOWN_BYTES = 256 * 1024


def _timeline(position: int, events: Any, attempts: Any) -> list[tuple[StoredEvent, StoredAttempt | None]]:
    """The events of one recipient, each beside the attempt that led to it."""
    tries = [one for one in attempts if one.position == position]
    told = []
    for event in events:
        if event.position != position:
            continue
        near = [one for one in tries if one.started_at <= event.at and event.kind in (one.outcome, "unknown")]
        if near:
            tries.remove(near[0])
        told.append((event, near[0] if near else None))
    return told


def _filters_of(form: dict[str, str], zone: tzinfo | None) -> queries.Filters:
    try:
        return EmailQuery.model_validate(form, context=Typed(zone)).to_filters()
    except ValidationError as error:
        raise ValidationFailed(faults_in(error, form)) from None


def _list(form: dict[str, str], newer: str = "", older: str = "") -> dict[str, Any]:
    return {
        "form": form,
        "has_more_filters": not form.keys().isdisjoint(_FURTHER),
        "newer": newer,
        "older": older,
        "status_choices": _STATUS_CHOICES,
    }


def _ends(form: dict[str, str], place: Cursor, found: Page[StoredEmail]) -> tuple[str, str]:
    """The addresses of the newer and the older page. A search that found too few goes on from where it ended."""
    is_back = place.before is not None
    newest, oldest = (found.data[0].id, found.data[-1].id) if found.data else (None, None)
    if is_back:
        newest = found.searched_to or newest
    else:
        oldest = found.searched_to or oldest
    newer = older = ""
    if newest is not None and (place.after is not None or (is_back and found.has_more)):
        newer = _address(form, before=to_text("em", newest))
    if oldest is not None and (is_back or found.has_more):
        older = _address(form, after=to_text("em", oldest))
    return newer, older


def _address(form: dict[str, str], **ends: str) -> str:
    return f"{PATH}?{urlencode(form | ends)}"


def _back(visitor: Visitor, email_id: str, error: HourpostError) -> Response:
    """To the email's page with what was wrong. Raises: NotFound where there is no such page."""
    if isinstance(error, NotFound):
        raise error
    return visitor.redirect(f"{PATH}/{email_id}", error.message, "bad")
