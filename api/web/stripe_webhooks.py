"""Where Stripe tells us that something has happened: verified, stored once, and acted on by a worker."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.web.answers import Json
from api.web.bodies import read_body
from api.web.dependencies import ThePartsOf
from hourpost.billing.events import store_event
from hourpost.errors import NotFound
from hourpost.gateways.metrics import STRIPE_EVENTS
from hourpost.gateways.stripe import BadSignature, read_event

MAX_EVENT_BYTES = 1024 * 1024

router = APIRouter()


@router.post("/stripe/webhooks")
async def post_stripe_webhook(request: Request, parts: ThePartsOf) -> Response:
    """Take an event; whatever it says, Stripe is asked anew. Without a secret there is nothing here."""
    secrets = parts.settings.stripe_webhook_secret
    # An empty secret would let everybody sign.
    if secrets is None or not secrets.get_secret_value().strip():
        raise NotFound("There is nothing at /stripe/webhooks.")
    body = await read_body(request, MAX_EVENT_BYTES)
    try:
        event = read_event(body, request.headers.get("stripe-signature", ""), secrets.get_secret_value())
    except BadSignature as error:
        STRIPE_EVENTS.labels("refused").inc()
        return Json({"statusCode": 400, "name": error.name, "message": error.message}, 400)
    async with parts.database.transaction() as connection:
        await store_event(connection, event, parts.clock.now())
    parts.ring_billing()
    return Json({"received": True})
