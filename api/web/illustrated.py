"""Examples in the document: answers that the service really gave, failures as it words them, and names in addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from api.web.errors import BadRequest, MethodNotAllowed, body_of, unforeseen
from hourpost.errors import (
    Conflict,
    Fault,
    Forbidden,
    HourpostError,
    LimitExceeded,
    MessageTooLarge,
    NotAuthenticated,
    NotFound,
    ServiceUnavailable,
    ValidationFailed,
)

_ANSWERS = Path(__file__).with_name("examples.json")  # by the name of the operation
_JSON, _PROBLEM = "application/json", "application/problem+json"
_REQUEST = "req_06h1brs66drcb2qri880uatuik"
_PLACES = {
    "alias": "The address.",
    "app_password": "`apw_…`",
    "attachment": "The `id` of the attachment.",
    "attachment_id": "The `id` of the attachment.",
    "credential_id": "`smtp_…`",
    "domain_id": "`dom_…`",
    "email_id": "`em_…`; of a received email `in_…`.",
    "event_id": "`evt_…`",
    "file_of": "`em_…`, or `in_…` of a received email.",
    "folder": "`fld_…`, or what it is for: `inbox`, `sent`, `drafts`, `archive`, `junk`, `trash`.",
    "inbound_id": "`in_…`",
    "key_id": "`key_…`",
    "mailbox": "`mbx_…`, or the address.",
    "place": "The `id` of the attachment, or `raw` for the whole message.",
    "route_id": "`rte_…`",
    "section": "The `section` of the attachment, as the message lists it.",
    "suppression": "`sup_…`, or the address.",
    "uid": "The number of the message in its folder.",
    "webhook_id": "`whk_…`",
}
_FAULTS = [Fault("/to/0", "`ada` is not an address: it has no @"), Fault("/subject", "`subject` is required")]
_FAILURES: dict[str, HourpostError] = {
    "400": BadRequest("invalid_idempotency_key", "An idempotency key has 1 to 256 visible characters."),
    "401": NotAuthenticated("Give an API key in the header `Authorization: Bearer hp_…`."),
    "403": Forbidden("restricted_api_key", "This API key may only be used for sending."),
    "404": NotFound("There is no such email."),
    "405": MethodNotAllowed("GET, HEAD, POST"),
    "409": Conflict("invalid_idempotent_request", "This idempotency key was used for another request."),
    "413": MessageTooLarge("An email may have 40 MB once encoded."),
    "422": ValidationFailed(_FAULTS),
    "429": LimitExceeded("plan", "The plan's hour has no room for it now.", retry_after_seconds=1630),
    "500": unforeseen(),
    "503": ServiceUnavailable("The database is not reachable.", retry_after_seconds=5),
}


def illustrate(document: dict[str, Any]) -> None:
    """Add to every operation of ``document`` what it answers, how it fails, and what stands in its address."""
    answers = orjson.loads(_ANSWERS.read_bytes())
    failures = document["components"].setdefault("responses", {})
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status in _FAILURES:
                    operation["responses"][status] = _refer(failures, status, response)
                elif operation["operationId"] in answers:
                    response["content"][_JSON]["example"] = answers[operation["operationId"]]
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter.setdefault("description", _PLACES[parameter["name"]])


def _refer(failures: dict[str, Any], status: str, response: dict[str, Any]) -> dict[str, str]:
    """One description of a failure for all operations, which has its example."""
    if status not in failures:
        shown = body_of(_FAILURES[status], request_id=_REQUEST, public_url="https://mail.example.com")
        response["content"][_JSON]["example"] = shown
        response["content"][_PROBLEM] = response["content"][_JSON]  # where `Accept` asks for it
        failures[status] = response
    return {"$ref": f"#/components/responses/{status}"}
