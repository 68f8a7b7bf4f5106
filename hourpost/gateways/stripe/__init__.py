"""Stripe: a Protocol, the real thing on the ``stripe`` package, and the signatures of its webhooks.

What a subscription entitles to belongs in ``hourpost/rules``; what is kept of it in ``hourpost/billing``.
"""

from hourpost.gateways.stripe.objects import (
    BadSignature,
    Checkout,
    Invoice,
    NewCheckout,
    NewCustomer,
    Preview,
    PreviewLine,
    Product,
    Stripe,
    StripeEvent,
    StripeRefused,
    StripeUnknown,
)
from hourpost.gateways.stripe.opening import open_stripe, read_event

__all__ = [
    "BadSignature",
    "Checkout",
    "Invoice",
    "NewCheckout",
    "NewCustomer",
    "Preview",
    "PreviewLine",
    "Product",
    "Stripe",
    "StripeEvent",
    "StripeRefused",
    "StripeUnknown",
    "open_stripe",
    "read_event",
]
