"""What Stripe's objects always have, whether or not anybody reads it: the fake's answers are whole by this."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Thing = dict[str, Any]

_NO_TAX: Thing = {"enabled": False, "liability": None}
_FLEXIBLE: Thing = {"type": "flexible", "flexible": None}
_SELF: Thing = {"issuer": {"type": "self"}}
_NOTHING: dict[str, Thing] = {
    "billing_portal.configuration": {"business_profile": {}, "login_page": {"enabled": False}},
    "charge": {"billing_details": {}, "captured": True, "currency": "usd", "metadata": {}},
    "checkout.session": {
        "automatic_tax": _NO_TAX,
        "custom_fields": [],
        "custom_text": {},
        "mode": "subscription",
        "shipping_options": [],
    },
    "dispute": {
        "balance_transactions": [],
        "currency": "usd",
        "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}},
        "is_charge_refundable": False,
        "metadata": {},
        "reason": "fraudulent",
    },
    "event": {"pending_webhooks": 1},
    "invoice": {
        "amount_overpaid": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "automatic_tax": _NO_TAX,
        "collection_method": "charge_automatically",
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "livemode": False,
        "payment_settings": {},
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status_transitions": {},
    },
    "invoice_payment": {"currency": "usd", "is_default": True, "livemode": False, "status_transitions": {}},
    "line_item": {"currency": "usd", "discountable": False, "discounts": [], "livemode": False, "metadata": {}},
    "price": {"billing_scheme": "per_unit", "type": "recurring"},
    "product": {"images": [], "marketing_features": [], "metadata": {}, "type": "service"},
    "subscription": {
        "automatic_tax": _NO_TAX,
        "billing_mode": _FLEXIBLE,
        "billing_schedules": [],
        "collection_method": "charge_automatically",
        "discounts": [],
        "invoice_settings": _SELF,
    },
    "subscription_item": {"discounts": [], "metadata": {}},
    "subscription_schedule": {
        "billing_mode": _FLEXIBLE,
        "default_settings": {"billing_cycle_anchor": "automatic", "invoice_settings": _SELF},
        "pause_schedules": [],
    },
}
_EVIDENCE: Thing = {"enhanced_eligibility": {}, "has_evidence": False, "past_due": False, "submission_count": 0}
_PHASE: Thing = {"add_invoice_items": [], "currency": "usd", "proration_behavior": "none"}
_FEATURES: Thing = {
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []},
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_pause": {"enabled": False, "duration": {"type": "indefinite", "interval_options": []}},
    "subscription_update": {
        "default_allowed_updates": [],
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
}


def made_whole(thing: Any) -> Any:
    """The same, with all that Stripe never leaves away."""
    if isinstance(thing, list):
        return [made_whole(one) for one in thing]
    if not isinstance(thing, dict):
        return thing
    inner = {name: made_whole(value) for name, value in thing.items()}
    kind = thing.get("object")
    if not isinstance(kind, str) or thing.get("deleted"):
        return inner
    derived = _DERIVED.get(kind, lambda _: {})(thing)
    return copy.deepcopy(_NOTHING.get(kind, {})) | derived | inner


def _invoice(invoice: Thing) -> Thing:
    remaining = invoice.get("amount_remaining", invoice["amount_due"])
    created = invoice.get("created", 0)
    told = {"amount_remaining": remaining, "amount_paid": invoice["amount_due"] - remaining}
    return told | {"subtotal": invoice["total"], "created": created, "period_start": created, "period_end": created}


def _item(item: Thing) -> Thing:
    price = item["price"]
    named = {name: price[name] for name in ("id", "active", "created", "currency", "livemode")}
    recurring = {"interval": "month", "interval_count": 1, "usage_type": "licensed"}
    return {"plan": {"object": "plan", "billing_scheme": "per_unit", **named, **recurring}}


def _subscription(subscription: Thing) -> Thing:
    return {name: subscription["created"] for name in ("billing_cycle_anchor", "start_date")}


_DERIVED: dict[str, Callable[[Thing], Thing]] = {
    "billing_portal.configuration": lambda one: {"updated": one["created"]},
    "charge": lambda one: {"amount_captured": one["amount"] if one["paid"] else 0},
    "checkout.session": lambda one: {"expires_at": one["created"] + 86400},
    "dispute": lambda _: {"evidence_details": {**_EVIDENCE, "submission_method": "not_submitted"}},
    "invoice": _invoice,
    "line_item": lambda one: {"subtotal": one["amount"]},
    "product": lambda one: {"updated": one["created"]},
    "subscription": _subscription,
    "subscription_item": _item,
}


def whole_phase(phase: Thing) -> Thing:
    """A phase of a schedule, as it is given back."""
    items = [{"discounts": [], "plan": one["price"], **one} for one in phase["items"]]
    return {**_PHASE, **phase, "items": items}


def whole_features(features: Thing) -> Thing:
    """What a portal offers, with what was not said."""
    return {name: {**_FEATURES.get(name, {}), **features.get(name, {})} for name in {*_FEATURES, *features}}
