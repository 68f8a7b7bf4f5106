"""Stripe's JSON as our objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hourpost.gateways.stripe.objects import Checkout, Invoice, Preview, PreviewLine
from hourpost.rules.plans import PLANS
from hourpost.rules.subscriptions import LOOKUP_KEYS, Price, Subscription

PLAN_KEY = "hourpost_plan"  # in the metadata of prices
TOLD_KEY = "hourpost_told"  # in the metadata of customers: a fingerprint of the name and address of their account
OVERRULED_KEY = "hourpost_overruled_by"  # in the metadata of schedules: a price
FOLLOWS_KEY = "hourpost_follows"  # in the metadata of subscriptions that are canceled for later: a plan
GIVEN_UP = "hourpost: canceled while nothing was paid"  # why a subscription was canceled


def read_moment(seconds: int) -> datetime:
    """The moment of Stripe's seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else read_moment(seconds)


def read_price(price: Mapping[str, Any]) -> Price:
    """A price. Its lookup key moves on to a newer one when the amount changes, its metadata stays."""
    metadata = price.get("metadata") or {}
    plan = LOOKUP_KEYS.get(price.get("lookup_key") or "") or metadata.get(PLAN_KEY)
    often = price.get("recurring") or {}
    terms = f"{price.get('currency')} every {often.get('interval_count')} {often.get('interval')}"
    return Price(price["id"], plan if plan in PLANS else None, price.get("unit_amount"), terms)


def read_subscription(found: Mapping[str, Any], plans: Mapping[str, str]) -> Subscription:
    """A subscription with its ``latest_invoice`` and ``schedule`` expanded; ``plans`` are those of known price ids."""
    items = found["items"]["data"]
    item = items[0]
    return Subscription(
        id=found["id"],
        customer_id=_id(found["customer"]) or "",
        status=found["status"],
        created_at=read_moment(found["created"]),
        item_id=item["id"],
        price=_known(read_price(item["price"]), plans),
        # On items since the version of March 2025: those of one subscription may differ
        period_start=read_moment(item["current_period_start"]),
        period_end=read_moment(item["current_period_end"]),
        items=len(items),
        ends_at=_ends_at(found, item),
        at_period_end=bool(found.get("cancel_at_period_end")),
        resumes_to=(found.get("metadata") or {}).get(FOLLOWS_KEY) or None,
        is_given_up=(found.get("cancellation_details") or {}).get("comment") == GIVEN_UP,
        **_schedule(found.get("schedule"), plans),
        **_pending(found.get("pending_update"), item, plans),
        **_latest_invoice(found.get("latest_invoice")),
    )


def _id(thing: Any) -> str | None:
    return thing if thing is None or isinstance(thing, str) else thing["id"]


def _known(price: Price, plans: Mapping[str, str]) -> Price:
    return price if price.plan else replace(price, plan=plans.get(price.id))


def _ends_at(found: Mapping[str, Any], item: Mapping[str, Any]) -> datetime | None:
    if found.get("ended_at"):
        return _moment(found["ended_at"])
    moments = [found["cancel_at"]] if found.get("cancel_at") else []
    if found.get("cancel_at_period_end"):
        moments.append(item["current_period_end"])
    return read_moment(min(moments)) if moments else None


def _schedule(schedule: Any, plans: Mapping[str, str]) -> dict[str, Any]:
    """Of a schedule: its id, what overrules it, and the next phase that changes the price."""
    if not isinstance(schedule, Mapping) or schedule.get("status") not in ("active", "not_started"):
        return {}
    told = {"schedule_id": schedule["id"], "overruled_by": (schedule.get("metadata") or {}).get(OVERRULED_KEY)}
    current = (schedule.get("current_phase") or {}).get("end_date")
    for phase in schedule.get("phases") or ():
        if current is not None and phase["start_date"] >= current:
            price = phase["items"][0]["price"]
            plan = read_price(price).plan if isinstance(price, Mapping) else None
            plan = plan or plans.get(_id(price) or "")
            return {**told, "next_plan": plan, "next_plan_at": read_moment(phase["start_date"])}
    return told


def phases_to(schedule: Mapping[str, Any], present: str, wanted: str) -> list[Any]:
    """The phases of a schedule that goes on as it is until its present phase ends, and then at another price.

    A phase that has begun keeps its own moments; the discounts of the subscription and its way of paying stay.
    """
    bounds = schedule["current_phase"]
    first: Mapping[str, Any] = next(
        (one for one in schedule["phases"] if one["start_date"] == bounds["start_date"]), {}
    )
    kept: dict[str, Any] = {"discounts": discounts} if (discounts := _discounts(first)) else {}
    if first.get("default_payment_method"):
        kept["default_payment_method"] = _id(first["default_payment_method"])
    return [
        {
            "items": [{"price": present, "quantity": 1}],
            "start_date": bounds["start_date"],
            "end_date": bounds["end_date"],
            **kept,
        },
        {
            "items": [{"price": wanted, "quantity": 1}],
            "start_date": bounds["end_date"],
            "duration": {"interval": "month", "interval_count": 1},
            "proration_behavior": "none",
            **kept,
        },
    ]


def _discounts(phase: Mapping[str, Any]) -> list[dict[str, str]]:
    """As they are given back: each by one of its names."""
    found = []
    for one in phase.get("discounts") or ():
        names = [(kind, _id(one[kind])) for kind in ("discount", "promotion_code", "coupon") if one.get(kind)]
        found += [{kind: name} for kind, name in names[:1] if name is not None]
    return found


def _pending(pending: Any, item: Mapping[str, Any], plans: Mapping[str, str]) -> dict[str, Any]:
    """Of a change that is not paid yet: the plan it leads to."""
    for one in (pending or {}).get("subscription_items") or ():
        price = one["price"]
        if one["id"] == item["id"] and _id(price) != item["price"]["id"]:
            known = Price(price, None) if isinstance(price, str) else read_price(price)
            return {"pending_plan": _known(known, plans).plan}
    return {}


def _latest_invoice(invoice: Any) -> dict[str, Any]:
    if not isinstance(invoice, Mapping):
        return {"invoice_id": invoice}
    return {
        "invoice_id": invoice["id"],
        "invoice_status": invoice["status"],
        "invoice_url": invoice.get("hosted_invoice_url"),
        "invoice_created_at": read_moment(invoice["created"]),
    }


def read_invoice(found: Mapping[str, Any], charges: Sequence[Mapping[str, Any]]) -> Invoice:
    """A bill with its ``payments`` expanded; ``charges`` are the customer's.

    One payment intent may have several charges, those that were declined among them.
    """
    of = (found.get("parent") or {}).get("subscription_details") or {}
    payments = [one["payment"] for one in (found.get("payments") or {}).get("data") or ()]
    names = {_id(one.get(kind)) for one in payments for kind in ("payment_intent", "charge")} - {None}
    paid = [one for one in charges if one["id"] in names or one.get("payment_intent") in names]
    return Invoice(
        id=found["id"],
        number=found.get("number"),
        status=found["status"],
        total_cents=found["total"],
        due_cents=found["amount_remaining"],
        refunded_cents=sum(one["amount_refunded"] for one in paid),
        is_disputed=any(one["disputed"] for one in paid),
        currency=found["currency"],
        created_at=read_moment(found["created"]),
        url=found.get("hosted_invoice_url"),
        pdf_url=found.get("invoice_pdf"),
        subscription_id=_id(of.get("subscription")),
        paid_at=_moment((found.get("status_transitions") or {}).get("paid_at")),
    )


def read_preview(found: Mapping[str, Any], at: datetime) -> Preview:
    """A bill to be."""
    lines = tuple(PreviewLine(one.get("description") or "", one["amount"]) for one in found["lines"]["data"])
    return Preview(found["amount_due"], found["currency"], lines, at)


def read_checkout(found: Mapping[str, Any]) -> Checkout:
    """A checkout session."""
    paid = found["payment_status"] in ("paid", "no_payment_required")
    customer_id, expires_at = _id(found.get("customer")), read_moment(found["expires_at"])
    return Checkout(found["id"], found.get("url"), found["status"], customer_id, paid, expires_at)
