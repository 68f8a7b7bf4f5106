"""`POST /emails` and `POST /emails/batch`, from the request to the receipt: the hot path of this door."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

from starlette.requests import Request

from api.web.answers import Json, quota_of, rate_headers
from api.web.bodies import extra_for, parse_json, read_body
from api.web.dependencies import sender
from api.web.errors import BadRequest
from api.web.garbage import keeping
from api.web.parameters import beside_the_query
from api.web.parts import Parts, parts_of
from api.web.v1.batch_reading import read_batch, told
from api.web.v1.email_reading import read_email
from hourpost.aside import aside
from hourpost.emails.status import status_of
from hourpost.errors import Fault, LimitExceeded, ServiceUnavailable, ValidationFailed
from hourpost.flow import limit
from hourpost.flow.leaving import Repeatable
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import to_text
from hourpost.rules.plans import WINDOW_SECONDS
from hourpost.rules.submission import MAX_BATCH, Order, Placed, Receipt, Standing, Usage

MAX_KEY = 256
_OBJECTS_OF_A_BATCH = 32 * MAX_BATCH


async def send_email(request: Request) -> Json:
    """Accept one email. Raises: HourpostError, by which nothing is stored."""
    parts = parts_of(request)
    standing = await sender(request)
    key = standing.key_within(idempotency_key(request))
    raw = await read_body(request)
    now, extra = parts.clock.now(), extra_for(request)

    def read() -> Order:
        submission = read_email(parse_json(raw), standing, now, extra=extra)
        return Order(standing, (submission,), key, sha256(raw).digest() if key else b"")

    with beside_the_query(request):
        order = await aside(len(raw), read, standing.account_id)
    receipt = await _accept(parts, order)
    (placed,) = receipt.placed
    email_id = to_text("em", placed.email_id)
    request.scope["state"]["emails"] = (email_id,)
    usage = await usage_after(parts, standing, receipt)
    headers = headers_of(receipt, usage)
    headers["Location"] = f"/v1/emails/{email_id}"
    return Json(_receipt(email_id, placed, standing, usage), 202, headers)


async def send_batch(request: Request) -> Json:
    """Accept up to 1,000 emails, all or none of them, or those without faults. Raises: HourpostError."""
    standing = await sender(request)
    key = standing.key_within(idempotency_key(request))
    raw = await read_body(request)
    with keeping(_OBJECTS_OF_A_BATCH):  # all of them end with the inner call
        return await _send_batch(request, standing, key, raw)


async def _send_batch(request: Request, standing: Standing, key: str | None, raw: bytes) -> Json:
    parts = parts_of(request)
    asked = _validation(request)
    with beside_the_query(request):
        batch = await read_batch(raw, standing, parts.clock.now(), extra=extra_for(request), validation=asked)
    digest = await aside(len(raw), lambda: sha256(raw).digest() if key else b"", standing.account_id)
    order = Order(standing, batch.submissions, key, digest, batch.errors, told if batch.is_partial else None)
    receipt = await _accept(parts, order)
    stored = [(to_text("em", placed.email_id), placed) for placed in receipt.placed]
    ids = [email_id for email_id, _ in stored]
    request.scope["state"]["emails"] = (f"{len(ids)} from {ids[0]}",) if ids else ()
    body: dict[str, Any] = {"data": [{"id": email_id} | _outcome_of(placed) for email_id, placed in stored]}
    if batch.is_partial:
        body["errors"] = list(receipt.errors)
    late = [(email_id, placed) for email_id, placed in stored if placed.is_too_late]
    if late:
        body["warnings"] = [{"id": email_id} | _warning_about(placed) for email_id, placed in late]
    return Json(body, 202, headers_of(receipt, await usage_after(parts, standing, receipt)))


def _validation(request: Request) -> str:
    """``strict``, ``permissive`` or nothing, as the request says. Raises: ValidationFailed."""
    asked = request.headers.get("x-batch-validation", "").strip().lower()
    if asked not in ("", "strict", "permissive"):
        detail = "the header x-batch-validation must be `strict` or `permissive`"
        raise ValidationFailed([Fault("/x-batch-validation", detail)])
    return asked


def idempotency_key(request: Request) -> str | None:
    """The key of the request, if it has one. Raises: BadRequest."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    key = keys[0]
    if any(other != key for other in keys):
        raise BadRequest("invalid_idempotency_key", "The request has two different idempotency keys.")
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise BadRequest("invalid_idempotency_key", f"An idempotency key has 1 to {MAX_KEY} visible characters.")
    return key


async def usage_after(parts: Parts, standing: Standing, receipt: Receipt) -> Usage | None:
    """The hour as the receipt has it, or as it is now where the order took nothing; None for tests, and without Redis.

    What is held without the hour having been asked is so because Redis is away: it is not asked again.
    """
    unasked = any(state is State.HELD for placed in receipt.placed for _, state in placed.recipients)
    if receipt.usage is not None or standing.test or (unasked and not receipt.replayed):
        return receipt.usage
    return await _usage_now(parts, standing)


async def _accept(parts: Parts, order: Order) -> Receipt:
    """Accept it; who is refused for want of room is told how full the hour is. Raises: HourpostError."""
    intake = Repeatable(parts.intake, parts.hour, parts.database)
    try:
        return await intake.accept(order)
    except LimitExceeded as error:
        usage = await _usage_now(parts, order.standing)
        error.quota = quota_of(usage) if usage is not None else None
        raise


async def _usage_now(parts: Parts, standing: Standing) -> Usage | None:
    """The hour as it is; None where there is none, or Redis is away."""
    if not standing.limit:
        return None
    try:
        reading = await limit.read(parts.hour, parts.database, standing.account_id, standing.limit)
    except ServiceUnavailable:
        return None
    left = limit.seconds_to_next(reading)
    return Usage(standing.limit, reading.used, reading.remaining, reading.waiting, left)


def headers_of(receipt: Receipt, usage: Usage | None) -> dict[str, str]:
    """The headers that every accepted request gets."""
    headers = rate_headers(quota_of(usage)) if usage is not None else {}
    headers["Idempotency-Replayed"] = "true" if receipt.replayed else "false"
    return headers


def _receipt(email_id: str, placed: Placed, standing: Standing, usage: Usage | None) -> dict[str, Any]:
    tail = email_id[3:]
    warnings = {"warnings": [_warning_about(placed)]} if placed.is_too_late else {}
    return {
        "id": email_id,
        "object": "email",
        "message_id": placed.message_id,
        "recipients": list(_recipients(tail, placed)),
        **_outcome_of(placed),
        "plan": plan_of(standing, usage),
    } | warnings


def _outcome_of(placed: Placed) -> dict[str, Any]:
    """What became of an email, and whether and until when it is held."""
    return {
        "status": status_of([state for _, state in placed.recipients]),
        "pacing": {"held_by": placed.held_by, "estimated_send_at": placed.estimated_send_at},
    }


def _warning_about(placed: Placed) -> dict[str, Any]:
    assert placed.estimated_send_at is not None  # it is too late
    return warning_of("/expires_at", placed.estimated_send_at)


def warning_of(pointer: str, leaves_at: datetime) -> dict[str, Any]:
    """That an email was taken as ``pointer`` has it, and is not likely to leave in time."""
    return {
        "pointer": pointer,
        "detail": f"As things are now, not all of it leaves before {leaves_at:%Y-%m-%dT%H:%M:%SZ}:"
        " what has not left when the email expires never does.",
    }


def _recipients(tail: str, placed: Placed) -> Iterable[dict[str, Any]]:
    for position, (address, state) in enumerate(placed.recipients):
        yield {"id": f"dl_{tail}{position:02x}", "address": address, "status": state}


def plan_of(standing: Standing, usage: Usage | None) -> dict[str, Any]:
    """The plan and how much of its hour is used; null where nothing counts or it is not known now."""
    return {
        "name": standing.plan,
        "limit": usage.limit if usage else standing.limit,
        "window_seconds": WINDOW_SECONDS,
        "used": usage.used if usage else None,
        "remaining": usage.remaining if usage else None,
        "held": usage.held if usage else None,
    }
