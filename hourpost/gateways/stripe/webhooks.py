"""Stripe's webhooks: the signature over the raw body, and the little that is read from it."""

from __future__ import annotations

from typing import Any

import stripe

from hourpost.gateways.stripe.objects import BadSignature, StripeEvent
from hourpost.gateways.stripe.reading import read_moment

_MOST_CHARACTERS = 255  # of an id or a kind


def read_event(body: bytes, signature: str, secrets: str) -> StripeEvent:
    """The event in a body signed with one of the space-separated secrets. Raises: BadSignature.

    With two secrets one can be replaced without losing an event.
    """
    for secret in secrets.split():
        try:
            return _event(stripe.Webhook.construct_event(body, signature, secret).to_dict())
        except stripe.SignatureVerificationError:
            continue
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, OSError) as error:
            raise BadSignature("The body is no event of Stripe's.", cause=repr(error)) from error
    raise BadSignature("The signature does not fit the body, or is too old.")


def _event(event: dict[str, Any]) -> StripeEvent:
    """Raises: KeyError, TypeError, ValueError, AttributeError, OverflowError or OSError for what is none."""
    thing = event["data"]["object"]
    customer = thing.get("id") if thing.get("object") == "customer" else thing.get("customer")
    if isinstance(customer, dict):
        customer = customer.get("id")
    # A dispute or a refund names the charge and not the customer.
    object_id = thing.get("id") if customer else thing.get("charge") or thing.get("id")
    return StripeEvent(
        _text(event["id"]),
        _text(event["type"]),
        read_moment(event["created"]),
        None if customer is None else _text(customer),
        None if object_id is None else _text(object_id),
    )


def _text(value: Any) -> str:
    """What PostgreSQL can keep as the text that it is. Raises: ValueError."""
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_CHARACTERS or not value.isprintable():
        raise ValueError(f"{value!r:.100} is no name of Stripe's")
    return value
