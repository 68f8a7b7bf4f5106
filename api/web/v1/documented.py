"""What the document says about each route beyond its own words: names, answers, bodies and examples."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from api.web.v1 import shapes

Answers = dict[int | str, dict[str, Any]]

_ERRORS: dict[int, str] = {
    400: "The idempotency key is not well-formed: `invalid_idempotency_key`.",
    401: "No API key: `missing_api_key`.",
    403: "`invalid_api_key`, `restricted_api_key` or `domain_not_verified`; of a link that was made, `invalid_access`.",
    404: "`not_found`; also for what belongs to somebody else.",
    405: "`method_not_allowed`.",
    409: "The state does not allow it; `invalid_idempotent_request`, `concurrent_idempotent_requests`.",
    413: "`message_too_large`.",
    422: "`validation_error`, with every fault and its place.",
    429: "`rate_limit_exceeded`: see `Retry-After`, and `limit` for which one.",
    500: "`application_error`, on our side; the request id helps us to find it.",
    503: "`service_unavailable`: see `Retry-After`.",
}
ERRORS: Answers = {status: {"description": words, "model": shapes.Problem} for status, words in _ERRORS.items()}

_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "1 to 256 characters of your choice. The same request within 24 hours is answered as before and"
    " costs nothing; another body with the same key gets 409 `invalid_idempotent_request`. Bodies are compared byte by"
    " byte: one with its fields in another order, or other white space, is another. What comes while the first is still"
    " under way gets 409 `concurrent_idempotent_requests` with `Retry-After`: ask again then.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]+$"},
}
_HEADERS = {
    "Location": "The address of the email.",
    "RateLimit-Policy": 'Structured, such as `"plan";q=1000;w=3600`.',
    "RateLimit": 'Structured, such as `"plan";r=412;t=1630`.',
    "RateLimit-Limit": "Deliveries in any 60 minutes.",
    "RateLimit-Remaining": "How many of them are free now.",
    "RateLimit-Reset": "Seconds until the next of those that are used up comes back.",
    "Idempotency-Replayed": "Whether this is the answer to an earlier request with the same key.",
}


def route(operation_id: str, model: type[BaseModel] | None = None, status: int = 200, **more: Any) -> dict[str, Any]:
    """The keywords of a route with the name ``operation_id`` that answers ``model``."""
    described: dict[str, Any] = {"description": "Done."}
    if model is not None:
        described["model"] = model
    return {"operation_id": operation_id, "status_code": status, "responses": {status: described}, **more}


def download(operation_id: str, media_type: str, words: str) -> dict[str, Any]:
    """The keywords of a route that answers bytes."""
    answer = {"description": words, "content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}
    return {"operation_id": operation_id, "response_class": Response, "responses": {200: answer}}


def body(name: str, *, required: bool = True, parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The part of a route's description that names its body, a schema that ``openapi.py`` adds."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    described: dict[str, Any] = {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}
    }
    return described | ({"parameters": parameters} if parameters else {})


def _accepting(described: dict[str, Any]) -> dict[str, Any]:
    described["responses"][202] |= {
        "description": "Stored. Whatever is killed from now on, it will not be lost.",
        "headers": {name: {"description": words, "schema": {"type": "string"}} for name, words in _HEADERS.items()},
    }
    return described


SEND = _accepting(
    route("send_email", shapes.Accepted, 202, openapi_extra=body("EmailFields", parameters=[_IDEMPOTENCY]))
)
_BATCH = {
    "defaults": {"from": "Acme <hello@acme.test>", "subject": "Hello"},
    "emails": [{"to": "ada@example.net", "text": "Hello, Ada."}, {"to": "bob@example.net", "text": "Hello, Bob."}],
    "mode": "partial",
}
_BATCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 1000,
                            "items": {"$ref": "#/components/schemas/EmailFields"},
                        },
                        {"$ref": "#/components/schemas/BatchFields"},
                    ]
                },
                "example": _BATCH,
            }
        },
    },
    "parameters": [
        _IDEMPOTENCY,
        {
            "name": "x-batch-validation",
            "in": "header",
            "required": False,
            "description": "For an array: `permissive` is the mode `partial`.",
            "schema": {"type": "string", "enum": ["strict", "permissive"]},
        },
    ],
}
SEND_BATCH = _accepting(route("send_batch", shapes.BatchAccepted, 202, openapi_extra=_BATCH_BODY))
LIST_EMAILS = route("list_emails", shapes.EmailsListed)
GET_EMAIL = route("get_email", shapes.EmailShape)
LIST_EVENTS = route("list_email_events", shapes.EventsListed)
LIST_ATTEMPTS = route("list_email_attempts", shapes.AttemptsListed)
LIST_ATTACHMENTS = route("list_email_attachments", shapes.AttachmentsListed)
GET_ATTACHMENT = route("get_email_attachment", shapes.AttachmentShape)
GET_RAW = download("download_email", "message/rfc822", "The message.")
CANCEL_EMAIL = route("cancel_email", shapes.EmailShape)
RESCHEDULE_EMAIL = route("reschedule_email", shapes.RescheduledShape, openapi_extra=body("Reschedule"))
