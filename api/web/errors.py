"""The one translation of errors into what HTTP clients see: always JSON, all faults at once."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from api.web.answers import rate_headers
from api.web.faults import naming
from hourpost.errors import (
    Fault,
    Forbidden,
    HourpostError,
    LimitExceeded,
    MessageTooLarge,
    NotAuthenticated,
    NotFound,
    Refused,
    Unavailable,
    ValidationFailed,
    in_short,
)

MAX_FAULTS = 1000
_JSON, _PROBLEM = "application/json", "application/problem+json"
CLIENT_LEFT = 499
"""The status of a request whose client hung up while it still asked, which our log and our meters alone see."""

STATUSES: dict[str, tuple[int, str]] = {
    "invalid_idempotency_key": (400, "The idempotency key is not well-formed"),
    "missing_api_key": (401, "No API key was given"),
    "invalid_api_key": (403, "The API key is not valid"),
    "restricted_api_key": (403, "The API key may not do this"),
    "domain_not_verified": (403, "The sender's domain is not verified"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "The method is not allowed here"),
    "invalid_idempotent_request": (409, "The idempotency key was used for another request"),
    "concurrent_idempotent_requests": (409, "The first request with this idempotency key has not ended"),
    "message_too_large": (413, "The message is too large"),
    "missing_required_field": (422, "A required field is missing"),
    "validation_error": (422, "The request is not valid"),
    "rate_limit_exceeded": (429, "There is no room now"),
    "application_error": (500, "Something went wrong on our side"),
    "service_unavailable": (503, "A part of the service is away"),
}
_BY_CLASS: tuple[tuple[type[HourpostError], int], ...] = (
    (ValidationFailed, 422),
    (MessageTooLarge, 413),
    (NotAuthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Refused, 409),
    (LimitExceeded, 429),
    (Unavailable, 503),
)


class BadRequest(Refused):
    """A refusal of this door alone; ``name`` is one of ``STATUSES``."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class MethodNotAllowed(BadRequest):
    """The address exists and knows other methods."""

    def __init__(self, allow: str) -> None:
        super().__init__("method_not_allowed", f"This address answers {allow}." if allow else "Not allowed here.")
        self.allow = allow


def unforeseen() -> HourpostError:
    """What a client is told of an error that nobody foresaw."""
    return HourpostError("Something went wrong on our side; the request id helps us to find it.")


def status_of(error: HourpostError) -> int:
    """The HTTP status of an error."""
    named = STATUSES.get(error.name)
    if named is not None and error.name != "application_error":
        return named[0]
    return next((status for kind, status in _BY_CLASS if isinstance(error, kind)), 500)


def body_of(error: HourpostError, *, request_id: str, public_url: str, at_root: bool = False) -> dict[str, Any]:
    """The body of an error: Resend's three fields and those of RFC 9457, merged."""
    error = in_the_clients_terms(error)
    status, name = status_of(error), error.name
    faults = faults_of(error)
    if at_root and faults and all(fault.missing for fault in faults) and name == "validation_error":
        name = "missing_required_field"  # what clients written for Resend have a class for
    body: dict[str, Any] = {
        "statusCode": status,
        "name": name,
        "message": error.message,
        "type": f"{public_url}/errors/{name}",
        "title": STATUSES.get(name, (status, "The state does not allow it"))[1],
        "status": status,
        "detail": error.message,
        "request_id": request_id,
    }
    if isinstance(error, LimitExceeded):
        body["limit"] = error.limit
    if faults:
        body["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults[:MAX_FAULTS]]
    return body


def in_the_clients_terms(error: HourpostError) -> HourpostError:
    """The same, with each fault naming its field, also where it was found by those who do not know the request."""
    if not isinstance(error, ValidationFailed):
        return error
    summed_up = error.message == in_short([fault.detail for fault in error.faults])
    return ValidationFailed([naming(fault) for fault in error.faults], None if summed_up else error.message)


def faults_of(error: HourpostError) -> list[Fault]:
    """What is wrong, place by place; empty where the error has no places."""
    return error.faults if isinstance(error, ValidationFailed | Forbidden | MessageTooLarge) else []


def _prefers_problem(accept: str) -> bool:
    """Whether problems are accepted, and no less than any JSON (RFC 9110 §12.5.1)."""
    weights = {kind: weight for kind, weight in map(_weighed, accept.lower().split(","))}
    return 0 < weights.get(_PROBLEM, 0) >= weights.get(_JSON, 0)


def _weighed(accepted: str) -> tuple[str, float]:
    kind, *parameters = (part.strip() for part in accepted.split(";"))
    try:
        return kind, next((float(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
    except ValueError:
        return kind, 1.0


def to_response(
    error: HourpostError, *, request_id: str, public_url: str, accept: str = "", at_root: bool = False
) -> Response:
    """The answer to a request that failed with ``error``; ``accept`` is the client's Accept header."""
    body = body_of(error, request_id=request_id, public_url=public_url, at_root=at_root)
    media_type = _PROBLEM if _PROBLEM in accept.lower() and _prefers_problem(accept) else _JSON
    response = Response(orjson.dumps(body), body["status"], media_type=media_type)
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(max(1, error.retry_after_seconds or 1))
    if isinstance(error, LimitExceeded) and error.quota is not None:
        response.headers.update(rate_headers(error.quota))
    if isinstance(error, NotAuthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowed) and error.allow:
        response.headers["Allow"] = error.allow
    return response
