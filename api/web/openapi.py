"""The OpenAPI document: what FastAPI finds out, with the bodies that are read by hand, the security and the words."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from api.web.calls import REFERENCES, add_calls
from api.web.illustrated import illustrate
from api.web.v1.api_keys import NewApiKey
from api.web.v1.batch_reading import BatchFields
from api.web.v1.credential_fields import CredentialChange
from api.web.v1.domains import DomainChange, NewDomain
from api.web.v1.email_fields import EmailFields
from api.web.v1.emails import Reschedule
from api.web.v1.inbound import NewInboundRoute
from api.web.v1.mailbox_access import NewAlias, NewAppPassword
from api.web.v1.mailbox_folders import FolderChange, NewFolder
from api.web.v1.mailbox_marking import Flags, FlagsOfMany, Removal, Transfer
from api.web.v1.mailbox_sending import LetterFields
from api.web.v1.mailboxes import MailboxChange, NewMailboxFields
from api.web.v1.smtp_credentials import NewSmtpCredential
from api.web.v1.suppressions import ManyAddresses, ManyRemoved, NewSuppression
from api.web.v1.webhooks import NewWebhook, WebhookChange

_BODIES = (
    EmailFields,
    BatchFields,
    Reschedule,
    NewDomain,
    DomainChange,
    NewApiKey,
    NewSmtpCredential,
    CredentialChange,
    NewSuppression,
    ManyAddresses,
    ManyRemoved,
    NewInboundRoute,
    NewWebhook,
    WebhookChange,
    NewMailboxFields,
    MailboxChange,
    NewAppPassword,
    NewAlias,
    NewFolder,
    FolderChange,
    Flags,
    FlagsOfMany,
    Removal,
    Transfer,
    LetterFields,
)
DESCRIPTION = """
Send email within the hour of your plan: what finds no room is held and leaves by itself.

* **Keys.** `Authorization: Bearer hp_live_…`; with `hp_test_…` everything runs as usual, but nothing leaves and nothing
  counts; such a key reaches test emails and test keys, reads domains, suppressions, plans and usage, and nothing else.
  A test email to `delivered@`, `bounced@`, `deferred@`, `complained@` or `suppressed@` at a domain under `.test` or
  `.example`, or at `resend.dev`, comes to that end, with its events and webhooks; any other is `sent`.
  A key may be for one domain, and reaches what that domain has. No key makes one that reaches further or lives longer.
* **Kept.** An email is stored before you are answered with 202, and kept for a year where the operator says nothing
  else. Repeat a request safely with `Idempotency-Key`.
* **The hour.** A plan allows so many deliveries (one for each recipient) in any 60 minutes. `GET /v1/usage` tells.
* **Deferred.** One thing has three names: an email, and each recipient, that is to be tried again has the `status`
  `deferred`; its own events have the `type` `email.deferred`; webhooks, and `last_event`, say `delivery_delayed` as
  Resend does.
* **Errors.** One shape, with a stable `name` and all faults at once, each with a JSON pointer.
* **Changes.** `PATCH` changes the fields that are there. What is absent stays; null says that it is to be nothing,
  where it can be. A client that writes null for what it was not given takes away what was there.
* **Lists.** Newest first; `limit`, and `after` or `before` an id.
* **Other clients.** The same routes answer without `/v1`, where unknown fields are ignored, so that clients written
  for Resend work with the base address changed.
"""
TAGS = [
    {"name": "emails", "description": "Send, look up, cancel."},
    {"name": "domains", "description": "What you send from, once you have proved that it is yours."},
    {"name": "API keys", "description": "For this API; also accepted as passwords by the SMTP doors."},
    {"name": "SMTP credentials", "description": "For programs that speak SMTP: ports 587 and 465."},
    {"name": "suppressions", "description": "Addresses that are never sent to."},
    {"name": "webhooks", "description": "Have your own address called when something happens to an email."},
    {"name": "calls", "description": "What that address is called with, type by type."},
    {"name": "inbound", "description": "Mail that comes in and is posted to an address of yours."},
    {"name": "mailboxes", "description": "Addresses with a login: made here; read here, by IMAP and by POP3."},
    {"name": "usage", "description": "Your plan and its hour, and what became of your deliveries by day."},
    {"name": "health", "description": "For operators."},
]
_OPEN = {"/healthz": (), "/readyz": (), "/v1/downloads/{file_of}/{place}": ("403", "404", "422")}
"""What asks for no key, and how it may fail besides what befalls every request."""
_ALWAYS = ("200", "405", "500", "503")


def install(app: FastAPI, public_url: str) -> None:
    """Let ``app``, which clients reach at ``public_url``, serve the finished document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _finish(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    description=DESCRIPTION,
                    routes=app.routes,
                    tags=TAGS,
                    servers=[{"url": public_url}, {"url": "/", "description": "Where this document came from."}],
                )
            )
        return app.openapi_schema

    async def serve(_: Request) -> Response:
        """To make it takes most of a second, in which others are to be answered."""
        written = await asyncio.to_thread(lambda: orjson.dumps(document()))
        return Response(written, media_type="application/json")

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way of extending the document
    app.router.routes[:] = [route for route in app.routes if getattr(route, "path", None) != app.openapi_url]
    app.router.add_route(str(app.openapi_url), serve, include_in_schema=False)


def _finish(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(_schemas_of_bodies())
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key: `hp_live_…` or `hp_test_…`."}
    }
    document["security"] = [{"key": []}]
    for path, methods in document["paths"].items():
        if path in _OPEN:
            for operation in methods.values():
                operation["security"] = []
                for status in [code for code in operation["responses"] if code not in (*_ALWAYS, *_OPEN[path])]:
                    del operation["responses"][status]
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["summary"] = _summary_of(operation["description"])
    add_calls(document)
    _drop_null_defaults(document)
    illustrate(document)
    return document


def _drop_null_defaults(value: Any) -> None:
    """Absent and null differ in a change; besides, generators take what has a default for always there."""
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _drop_null_defaults(one)
    if isinstance(value, dict) and "default" in value and value["default"] is None:
        del value["default"]


def _summary_of(description: str) -> str:
    """The first clause of an operation's words: names of functions are no English."""
    return re.split(r"[.;:,](?:\s|$)", description, maxsplit=1)[0].replace("\n", " ")


def _schemas_of_bodies() -> dict[str, Any]:
    """The bodies' schemas by the names of their classes."""
    _, found = models_json_schema([(model, "validation") for model in _BODIES], ref_template=REFERENCES)
    schemas: dict[str, Any] = found["$defs"]
    email = {name: value for name, value in schemas["EmailFields"].items() if name not in ("required", "example")}
    words = "An email of a batch: what it does not say, `defaults` say."
    schemas["BatchEmailFields"] = email | {"title": "BatchEmail", "description": words}
    reference = {"$ref": REFERENCES.format(model="BatchEmailFields")}
    batch = schemas["BatchFields"]["properties"]
    batch["emails"] |= {"items": reference, "minItems": 1, "maxItems": 1000}
    batch["defaults"] = reference | {"description": batch["defaults"]["description"]}
    return schemas
