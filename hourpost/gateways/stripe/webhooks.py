"""Stripe's webhooks: the signature over the raw body, and the little that is read from it."""

from __future__ import annotations

from typing import Any

import stripe

from hourpost.gateways.stripe.objects import BadSignature, StripeEvent
from hourpost.gateways.stripe.reading import read_moment


def read_event(body: bytes, signature: str, secrets: str) -> StripeEvent:
    """The event in a body signed with one of the space-separated secrets. Raises: BadSignature.

    With two secrets one can be replaced without losing an event.
    """
    for secret in secrets.split():
        try:
            event = stripe.Webhook.construct_event(body, signature, secret).to_dict()
        except stripe.SignatureVerificationError:
            continue
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise BadSignature("The body is no event of Stripe's.", cause=repr(error)) from error
        return _event(event)
    raise BadSignature("The signature does not fit the body, or is too old.")


def _event(event: dict[str, Any]) -> StripeEvent:
    thing = event["data"]["object"]
    customer = thing.get("id") if thing.get("object") == "customer" else thing.get("customer")
    if isinstance(customer, dict):
        customer = customer.get("id")
    # A dispute or a refund names the charge and not the customer.
    object_id = thing.get("id") if customer else thing.get("charge") or thing.get("id")
    return StripeEvent(str(event["id"]), str(event["type"]), read_moment(event["created"]), customer, object_id)
