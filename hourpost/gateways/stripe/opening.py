"""Stripe where there is a key for it. Its package costs five megabytes and a fifth of a second: others go without."""

from __future__ import annotations

import importlib
from typing import Any

from hourpost.gateways.stripe.objects import Stripe, StripeEvent
from hourpost.settings import Settings


def open_stripe(settings: Settings) -> Stripe | None:
    """Stripe as the settings name it; None without a key: then plans cost nothing."""
    if settings.stripe_secret_key is None:
        return None
    client: Any = importlib.import_module("hourpost.gateways.stripe.client")
    opened: Stripe = client.RealStripe(settings.stripe_secret_key.get_secret_value(), settings.stripe_api_url)
    return opened


def read_event(body: bytes, signature: str, secrets: str) -> StripeEvent:
    """The event in a body signed with one of the space-separated secrets. Raises: BadSignature."""
    webhooks: Any = importlib.import_module("hourpost.gateways.stripe.webhooks")
    event: StripeEvent = webhooks.read_event(body, signature, secrets)
    return event
