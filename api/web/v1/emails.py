"""Emails: sending them, and everything one may ask about them or do with them afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from api.web import saved_files
from api.web.answers import Json, search_of
from api.web.dependencies import AnyCaller, BoundedManager, Sender, ThePartsOf, cursor, id_of
from api.web.drafts import read_draft
from api.web.parts import Parts
from api.web.v1 import documented as doc
from api.web.v1.attachments import NOT_KEPT, Attached, AttachmentPaging
from api.web.v1.email_filters import EmailQuery
from api.web.v1.email_views import attempt_view, content_view, email_view, event_view, list_view
from api.web.v1.sending import send_batch, send_email, warning_of
from hourpost.aside import aside
from hourpost.emails import changes, queries
from hourpost.emails.hour import give_back
from hourpost.emails.queries import StoredEmail
from hourpost.errors import Fault, NotFound
from hourpost.flow.leaving import read_leaving, read_too_late
from hourpost.mailboxes.reading import open_raw
from hourpost.pages import Cursor, Page
from hourpost.rules.ids import to_text
from hourpost.rules.moments import MomentError, parse_future_moment
from hourpost.rules.submission import Standing

router = APIRouter(prefix="/emails", tags=["emails"])


class Reschedule(BaseModel):
    """When an email that waits is to leave instead."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"scheduled_at": "in 2 hours"}})

    scheduled_at: str = Field(description="ISO 8601 with a time zone, or `in 10 minutes`.")
    id: str | None = Field(None, description="Ignored: the address names the email.")


@router.post("", **doc.SEND)
async def send(request: Request) -> Response:
    """Accept an email and send it as soon as the plan's hour has room.

    When this answers 202, the email is stored and will not be lost. Give an `Idempotency-Key` and a request that is
    repeated within 24 hours is answered with the same email, as it stands by then, and sends nothing twice. What finds
    no room in the hour is held and leaves by itself; `pacing.estimated_send_at` says when. With `on_limit: "reject"` it
    is refused instead.
    """
    return await send_email(request)


@router.post("/batch", **doc.SEND_BATCH)
async def send_many(request: Request) -> Response:
    """Accept up to 1,000 emails at once: an array, or an object with `defaults`, `emails` and `mode`.

    `strict` (the default) stores all or none; `partial` stores those without faults and lists the others in `errors`.
    Attachments are allowed; the whole request has at most 55 MB, and its emails, each with its `defaults`, 256 MB. One
    `Idempotency-Key` covers the whole batch.
    """
    return await send_batch(request)


@router.get("", **doc.LIST_EMAILS)
async def list_emails(
    request: Request, caller: BoundedManager, parts: ThePartsOf, query: Annotated[EmailQuery, Query()]
) -> Response:
    """List emails, newest first. All filters must match. They are kept for a year where the operator says nothing else.

    By `subject`, and by the status `sent`, one request looks until it has found something, and then at a bounded number
    of emails. Where that ends before the page is full, `has_more` is true: go on from the last id of `data` as in every
    list, or faster from `searched_to`. Only where nothing is found for seconds is `data` empty with `has_more` true;
    `searched_to` is then the id to give as `after` (or `before`). `since` and `until` make the search shorter.
    """
    filters = replace(query.to_filters(), reach=caller.reach)
    page = cursor("em", query.limit, query.after, query.before)

    async def look(page: Cursor) -> Page[StoredEmail]:
        async with parts.database.reading() as connection:
            return await queries.list_emails(connection, caller.account_id, filters, page)

    found = await parts.searches.find(caller.account_id, page, look, request.is_disconnected)
    return search_of(found.map(list_view), "em")


@router.get("/{email_id}", **doc.GET_EMAIL)
async def get_email(email_id: str, caller: AnyCaller, parts: ThePartsOf) -> Response:
    """Get an email with its content and the state of each recipient."""
    if email_id == "metrics":  # of Resend's clients
        raise NotFound("There are no metrics here: GET /v1/statistics counts what became of your emails, day by day.")
    async with parts.database.reading() as connection:
        email = await _find(connection, caller, email_id)
        content = await queries.read_content(connection, email)
    shown = await aside(len(content), lambda: content_view(content), caller.account_id)
    return Json(await _view(parts, caller, email) | shown)


@router.get("/{email_id}/events", **doc.LIST_EVENTS)
async def list_events(email_id: str, caller: AnyCaller, parts: ThePartsOf) -> Response:
    """List everything that has happened to an email, oldest first."""
    async with parts.database.reading() as connection:
        email = await _find(connection, caller, email_id)
        events = await queries.list_events(connection, email)
    return Json({"object": "list", "has_more": False, "data": [event_view(email, event) for event in events]})


@router.get("/{email_id}/attempts", **doc.LIST_ATTEMPTS)
async def list_attempts(email_id: str, caller: AnyCaller, parts: ThePartsOf) -> Response:
    """List every try at handing an email over, with the relay's own words."""
    async with parts.database.reading() as connection:
        email = await _find(connection, caller, email_id)
        attempts = await queries.list_attempts(connection, email)
    return Json({"object": "list", "has_more": False, "data": [attempt_view(email, one) for one in attempts]})


@router.get("/{email_id}/attachments", **doc.LIST_ATTACHMENTS)
async def list_email_attachments(
    email_id: str, caller: AnyCaller, parts: ThePartsOf, asked: AttachmentPaging
) -> Response:
    """List what is attached to an email, each with a link to fetch it by within an hour, without a key."""
    return await (await _attached(parts, caller, email_id)).list(asked)


@router.get("/{email_id}/attachments/{attachment_id}", **doc.GET_ATTACHMENT)
async def get_email_attachment(email_id: str, attachment_id: str, caller: AnyCaller, parts: ThePartsOf) -> Response:
    """Get one attachment of an email, with a link to fetch it by within an hour, without a key."""
    return await (await _attached(parts, caller, email_id)).get(attachment_id)


@router.get("/{email_id}/raw", **doc.GET_RAW)
async def get_raw(email_id: str, caller: AnyCaller, parts: ThePartsOf) -> Response:
    """Get the message as it was accepted, byte for byte; signatures are added on the way out."""
    async with parts.database.reading() as connection:
        email = await _find(connection, caller, email_id)
    pieces = await open_raw(parts.mail, email.content_id, email.size_bytes, NOT_KEPT)
    return saved_files.stream(pieces, email.size_bytes, "message/rfc822", f"{email_id}.eml")


@router.post("/{email_id}/cancel", **doc.CANCEL_EMAIL)
async def cancel_email(email_id: str, caller: Sender, parts: ThePartsOf) -> Response:
    """Cancel what has not left yet: scheduled, held, queued and deferred recipients. Their tokens are given back."""
    now = parts.clock.now()
    async with parts.database.transaction() as connection:
        email = await _find(connection, caller, email_id)
        given = await changes.cancel_email(connection, caller.account_id, email.id, now)
    return Json((await _changed(parts, caller, email_id, given))[1])


@router.patch("/{email_id}", **doc.RESCHEDULE_EMAIL)
async def reschedule_email(email_id: str, request: Request, caller: Sender, parts: ThePartsOf) -> Response:
    """Give an email that is scheduled or held another moment to leave at.

    Where the plan's hour is too full for it to leave then and before it expires, `warnings` says so.
    """
    now = parts.clock.now()
    draft = await read_draft(request, Reschedule)
    moment = now
    try:
        moment = parse_future_moment(draft.fields.scheduled_at, now=now)
    except MomentError as error:
        draft.note([Fault("/scheduled_at", f"`scheduled_at`: {error}")])
    draft.end()
    async with parts.database.transaction() as connection:
        email = await _find(connection, caller, email_id)
        given = await changes.reschedule_email(connection, caller.account_id, email.id, moment, now)
    email, view = await _changed(parts, caller, email_id, given)
    return Json(view | await _warnings(parts, caller, email))


async def _find(connection: Any, caller: Standing, email_id: str) -> StoredEmail:
    """The email, if the caller may know of it: a sending key knows what it sent itself. Raises: NotFound."""
    email = await queries.get_email(connection, caller.account_id, id_of("em", email_id, "email"))
    is_anothers = caller.scope == "sending" and email.credential_id != caller.credential_id
    if is_anothers or not caller.reach.has_email(email.from_address, test=email.test):
        raise NotFound("There is no such email.")
    return email


async def _attached(parts: Parts, caller: Standing, email_id: str) -> Attached:
    async with parts.database.reading() as connection:
        email = await _find(connection, caller, email_id)
        content = await queries.read_content(connection, email)
    return Attached(parts, caller.account_id, to_text("em", email.id), content)


async def _changed(
    parts: Parts, caller: Standing, email_id: str, given: changes.GivenBack
) -> tuple[StoredEmail, dict[str, Any]]:
    await give_back(parts.hour, parts.database, given)
    async with parts.database.reading() as connection:
        email = await _find(connection, caller, email_id)
    return email, await _view(parts, caller, email)


async def _warnings(parts: Parts, caller: Standing, email: StoredEmail) -> dict[str, Any]:
    """What is likely to go otherwise than it was rescheduled."""
    leaves_at = await read_too_late(parts.hour, parts.database, caller.account_id, caller.limit, email)
    return {} if leaves_at is None else {"warnings": [warning_of("/scheduled_at", leaves_at)]}


async def _view(parts: Parts, caller: Standing, email: StoredEmail) -> dict[str, Any]:
    leaving = await read_leaving(parts.hour, parts.database, caller.account_id, caller.limit, email)
    return email_view(email, leaving)
