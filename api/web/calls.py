"""The part of the OpenAPI document that tells what webhooks are called with."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from api.web.v1.event_shapes import EVENTS, Told, type_of

REFERENCES = "#/components/schemas/{model}"

_HEADERS = {
    "webhook-id": "The id of the event, the same at every try.",
    "webhook-timestamp": "When this try was made, in seconds since 1970.",
    "webhook-signature": "`v1,` and the HMAC-SHA256 of id, timestamp and body, by each secret (Standard Webhooks).",
}
_ANSWERS = {
    "2XX": {"description": "Taken."},
    "default": {"description": "Not taken: it is tried again, for a day. Redirects are not followed."},
}


def add_calls(document: dict[str, Any]) -> None:
    """Add the section `webhooks` and the schemas that it refers to."""
    _, found = models_json_schema([(event, "validation") for event in EVENTS], ref_template=REFERENCES)
    document["components"]["schemas"].update(found["$defs"])
    document["webhooks"] = {type_of(event): {"post": _operation(event)} for event in EVENTS}


def _operation(event: type[Told]) -> dict[str, Any]:
    schema = {"$ref": REFERENCES.format(model=event.__name__)}
    description = (event.__doc__ or "").strip()
    return {
        "tags": ["calls"],
        "operationId": f"on_{type_of(event).replace('.', '_')}",
        "summary": description.partition(":")[0].rstrip("."),
        "description": f"{description} The headers stand here again with `svix-` in place of `webhook-`.",
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": words, "schema": {"type": "string"}}
            for name, words in _HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": _ANSWERS,
    }
