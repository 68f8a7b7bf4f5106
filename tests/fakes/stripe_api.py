"""The fake Stripe's API: one method for each call that our client makes, in Stripe's wire format."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.fakes.stripe_shapes import whole_features
from tests.fakes.stripe_state import NotThere, StripeState, Thing, Unwilling

Params = dict[str, Any]


def _list(things: list[Thing], url: str, params: Params) -> Thing:
    if after := params.get("starting_after"):
        things = things[[one["id"] for one in things].index(after) + 1 :]
    limit = int(params.get("limit", 10))
    return {"object": "list", "url": url, "has_more": len(things) > limit, "data": things[:limit]}


def _expansions(params: Params, start: str = "") -> list[str]:
    return [name.removeprefix(start) for name in params.get("expand", ())]


class StripeApi:
    """Answers `METHOD /v1/…`. ``base`` is the address of its pages."""

    def __init__(self, state: StripeState, base: str) -> None:
        self.state = state
        self.base = base

    def answer(self, method: str, path: str, params: Params) -> Thing:
        for verb, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, path)
            if verb == method and found:
                return handler(self, params, *found.groups())
        raise NotThere(f"Unrecognized request URL ({method}: {path}).")

    # customers

    def create_customer(self, params: Params) -> Thing:
        fields = {name: params.get(name) for name in ("name", "email")} | {"metadata": params.get("metadata", {})}
        customer = self.state.new("customer", "cus", **fields)
        self.state.event("customer.created", customer)
        return customer

    def get_customer(self, params: Params, customer_id: str) -> Thing:
        customer = self.state.get(customer_id, "customer")
        if customer.get("deleted"):
            return {"id": customer_id, "object": "customer", "deleted": True}
        return customer

    def update_customer(self, params: Params, customer_id: str) -> Thing:
        customer = self.state.get(customer_id, "customer")
        params["metadata"] = customer["metadata"] | params.get("metadata", {})
        customer |= params
        self.state.event("customer.updated", customer)
        return customer

    # products and prices

    def create_product(self, params: Params) -> Thing:
        product = self.state.new("product", "prod", **params)
        self.state.things[product["id"]] = product
        return product

    def update_product(self, params: Params, product_id: str) -> Thing:
        return self.state.get(product_id, "product").__ior__(params)

    def create_price(self, params: Params) -> Thing:
        key = params.get("lookup_key")
        for other in self.state.all("price", lookup_key=key) if key else ():
            if params.get("transfer_lookup_key") != "true":
                raise Unwilling(f"A price with the lookup key {key} exists already.")
            other["lookup_key"] = None
        params.pop("transfer_lookup_key", None)
        params = {"metadata": {}, "active": True, "currency": "usd", "recurring": {"interval": "month"}} | params
        params["recurring"] = {"interval_count": 1, "usage_type": "licensed"} | params["recurring"]
        return self.state.new("price", "price", **params | {"unit_amount": int(params["unit_amount"])})

    def update_price(self, params: Params, price_id: str) -> Thing:
        price = self.state.get(price_id, "price")
        price["metadata"] |= params.get("metadata", {})
        return price

    def list_prices(self, params: Params) -> Thing:
        keys = params.get("lookup_keys", [])
        found = [one for one in self.state.all("price") if one["lookup_key"] in keys]
        if "active" in params:
            found = [one for one in found if one["active"] == (params["active"] == "true")]
        return _list(found, "/v1/prices", params)

    # checkout and portal

    def create_checkout(self, params: Params) -> Thing:
        self.state.get(params["customer"], "customer")
        price = self.state.get(params["line_items"][0]["price"], "price")
        session = self.state.new(
            "checkout.session", "cs_test", status="open", payment_status="unpaid", _price=price["id"]
        )
        session |= {name: params[name] for name in ("customer", "success_url", "cancel_url", "client_reference_id")}
        session["allowed_payment_method_types"] = params.get("allowed_payment_method_types")
        session["payment_method_types"] = session["allowed_payment_method_types"] or ["card", "us_bank_account"]
        session["allow_promotion_codes"] = params.get("allow_promotion_codes") == "true"
        session["url"] = f"{self.base}/pages/checkout/{session['id']}"
        return self.state.shown(session)

    def get_checkout(self, params: Params, session_id: str) -> Thing:
        return self.state.shown(self.state.get(session_id, "checkout.session"))

    def expire_checkout(self, params: Params, session_id: str) -> Thing:
        session = self.state.get(session_id, "checkout.session")
        if session["status"] != "open":
            raise Unwilling('Only Checkout Sessions with a status in ["open"] can be expired.')
        session |= {"status": "expired", "url": None}
        self.state.event("checkout.session.expired", session)
        return self.state.shown(session)

    def list_portal_shapes(self, params: Params) -> Thing:
        found = self.state.all("billing_portal.configuration", active=params.get("active", "true") == "true")
        return _list(found, "/v1/billing_portal/configurations", params)

    def create_portal_shape(self, params: Params) -> Thing:
        features = {name: {**one, "enabled": one["enabled"] == "true"} for name, one in params["features"].items()}
        fields = {"active": True, "is_default": False, "metadata": params.get("metadata", {})}
        return self.state.new("billing_portal.configuration", "bpc", features=whole_features(features), **fields)

    def create_portal(self, params: Params) -> Thing:
        self.state.get(params["customer"], "customer")
        if "configuration" not in params:
            raise Unwilling("No configuration provided and your default configuration has not been created.")
        if not self.state.get(params["configuration"], "billing_portal.configuration")["active"]:
            raise Unwilling("The configuration is inactive.")
        session = self.state.new("billing_portal.session", "bps", **params)
        session["url"] = f"{self.base}/pages/portal/{session['id']}"
        return session

    # subscriptions

    def list_subscriptions(self, params: Params) -> Thing:
        customer = self.state.get(params["customer"], "customer")
        found = self.state.all("subscription", customer=customer["id"])
        if params.get("status") != "all":
            found = [one for one in found if one["status"] != "canceled"]
        expand = _expansions(params, "data.")
        return _list([self._subscription(one, expand) for one in found], "/v1/subscriptions", params)

    def _subscription(self, subscription: Thing, expand: list[str]) -> Thing:
        shown = self.state.shown(subscription, expand)
        if isinstance(shown["latest_invoice"], dict):
            shown["latest_invoice"] = self._invoice(shown["latest_invoice"], [])
        return shown

    def update_subscription(self, params: Params, subscription_id: str) -> Thing:
        subscription = self.state.get(subscription_id, "subscription")
        if subscription["status"] in ("canceled", "incomplete_expired"):
            raise Unwilling("A canceled subscription can only update its cancellation_details and metadata.")
        if subscription["schedule"] and {"cancel_at", "cancel_at_period_end"} & params.keys():
            raise Unwilling("The subscription is managed by a schedule: updating any cancelation is not allowed.")
        told = subscription["metadata"] | params.get("metadata", {})
        subscription["metadata"] = {name: value for name, value in told.items() if value}
        if "cancel_at_period_end" in params:
            ends = subscription["cancel_at_period_end"] = params["cancel_at_period_end"] == "true"
            subscription["cancel_at"] = subscription["items"]["data"][0]["current_period_end"] if ends else None
        if "cancel_at" in params:
            subscription["cancel_at"] = int(params["cancel_at"]) if params["cancel_at"] else None
        if "items" in params:
            at = int(params.get("proration_date", self.state.now))
            price = params["items"][0]["price"]
            self.state.change_price(subscription, price, at, params.get("payment_behavior", ""))
        else:
            self.state.event("customer.subscription.updated", subscription)
        return self._subscription(subscription, _expansions(params))

    def cancel_subscription(self, params: Params, subscription_id: str) -> Thing:
        subscription = self.state.get(subscription_id, "subscription")
        if subscription["status"] == "canceled":
            raise NotThere(f"No such subscription: '{subscription_id}'")
        told = {"reason": "cancellation_requested"} | params.get("cancellation_details", {})
        subscription["cancellation_details"] = subscription["cancellation_details"] | told
        self.state.cancel_now(subscription)
        return self._subscription(subscription, [])

    # schedules

    def create_schedule(self, params: Params) -> Thing:
        subscription = self.state.get(params["from_subscription"], "subscription")
        if subscription["schedule"]:
            raise Unwilling("This subscription is already attached to a schedule.")
        item = subscription["items"]["data"][0]
        phase = {"start_date": item["current_period_start"], "end_date": item["current_period_end"]}
        paid_with = {"default_payment_method": subscription.get("default_payment_method")}
        schedule = self.state.new("subscription_schedule", "sub_sched", status="active", metadata={})
        schedule["customer"] = subscription["customer"]
        schedule |= {"subscription": subscription["id"], "current_phase": phase, "end_behavior": "release"}
        discounts = [{"discount": one} for one in subscription.get("discounts", [])]
        items = [{"price": item["price"], "quantity": 1}]
        schedule["phases"] = [{**phase, **paid_with, "items": items, "discounts": discounts}]
        subscription["schedule"] = schedule["id"]
        return self.state.shown(schedule)

    def get_schedule(self, params: Params, schedule_id: str) -> Thing:
        return self.state.shown(self.state.get(schedule_id, "subscription_schedule"))

    def update_schedule(self, params: Params, schedule_id: str) -> Thing:
        schedule = self.state.get(schedule_id, "subscription_schedule")
        if schedule["status"] != "active":
            raise Unwilling(f"You cannot update a schedule that is in the {schedule['status']} status.")
        if "phases" in params:
            phases = [self._phase(phase) for phase in params["phases"]]
            if phases[0]["start_date"] != schedule["current_phase"]["start_date"]:
                raise Unwilling("You can not modify the start date of the current phase.")
            schedule["phases"] = phases
        schedule["end_behavior"] = params.get("end_behavior", schedule["end_behavior"])
        told = schedule["metadata"] | params.get("metadata", {})
        schedule["metadata"] = {name: value for name, value in told.items() if value}
        self.state.event("subscription_schedule.updated", schedule)
        return self.state.shown(schedule)

    def _phase(self, phase: Params) -> Thing:
        start = int(phase["start_date"])
        end = int(phase["end_date"]) if "end_date" in phase else start + 30 * 86400
        items = [{"price": self.state.get(one["price"], "price")["id"], "quantity": 1} for one in phase["items"]]
        kept = {"discounts": phase.get("discounts", []), "default_payment_method": phase.get("default_payment_method")}
        return {"start_date": start, "end_date": end, "items": items, **kept}

    def release_schedule(self, params: Params, schedule_id: str) -> Thing:
        schedule = self.state.get(schedule_id, "subscription_schedule")
        if schedule["status"] != "active":
            raise Unwilling("You cannot release a subscription schedule that is in the `released` status.")
        self.state.release(schedule)
        return self.state.shown(schedule)

    # money

    def _invoice(self, invoice: Thing, expand: list[str]) -> Thing:
        shown = self.state.shown(invoice)
        if "payments" not in expand:
            del shown["payments"]
        urls = {"hosted_invoice_url": f"{self.base}/pages/invoice/{invoice['id']}"}
        return shown | urls | {"invoice_pdf": f"{urls['hosted_invoice_url']}/pdf"}

    def list_invoices(self, params: Params) -> Thing:
        having = {name: params[name] for name in ("customer", "status") if name in params}
        if "customer" in having:
            self.state.get(having["customer"], "customer")
        found = self.state.all("invoice", **having)
        if "subscription" in params:
            found = self.state.invoices_of(self.state.get(params["subscription"], "subscription"), **having)
        expand = _expansions(params, "data.")
        return _list([self._invoice(one, expand) for one in found], "/v1/invoices", params)

    def void_invoice(self, params: Params, invoice_id: str) -> Thing:
        invoice = self.state.get(invoice_id, "invoice")
        if invoice["status"] not in ("open", "uncollectible"):
            raise Unwilling("You can only void an open or an uncollectible invoice.")
        self.state.void(invoice)
        return self._invoice(invoice, [])

    def preview(self, params: Params) -> Thing:
        subscription = self.state.get(params["subscription"], "subscription")
        details = params["subscription_details"]
        at = int(details["proration_date"])
        lines = self.state.proration(subscription, details["items"][0]["price"], at)
        total = sum(amount for amount, _ in lines)
        shown = self.state.lines(lines)
        fields = {
            "object": "invoice",
            "status": "draft",
            "currency": "usd",
            "total": total,
            "amount_due": max(0, total),
        }
        return {"id": "upcoming_in", **fields, "lines": shown}

    def list_charges(self, params: Params) -> Thing:
        return _list(self.state.all("charge", customer=params["customer"]), "/v1/charges", params)

    def get_charge(self, params: Params, charge_id: str) -> Thing:
        return self.state.get(charge_id, "charge")

    def list_events(self, params: Params) -> Thing:
        return _list(self.state.all("event"), "/v1/events", params)


_ID = r"([^/]+)"
_ROUTES: tuple[tuple[str, str, Callable[..., Thing]], ...] = (
    ("POST", "/v1/customers", StripeApi.create_customer),
    ("GET", f"/v1/customers/{_ID}", StripeApi.get_customer),
    ("POST", f"/v1/customers/{_ID}", StripeApi.update_customer),
    ("POST", "/v1/products", StripeApi.create_product),
    ("POST", f"/v1/products/{_ID}", StripeApi.update_product),
    ("POST", "/v1/prices", StripeApi.create_price),
    ("POST", f"/v1/prices/{_ID}", StripeApi.update_price),
    ("GET", "/v1/prices", StripeApi.list_prices),
    ("POST", "/v1/checkout/sessions", StripeApi.create_checkout),
    ("GET", f"/v1/checkout/sessions/{_ID}", StripeApi.get_checkout),
    ("POST", f"/v1/checkout/sessions/{_ID}/expire", StripeApi.expire_checkout),
    ("GET", "/v1/billing_portal/configurations", StripeApi.list_portal_shapes),
    ("POST", "/v1/billing_portal/configurations", StripeApi.create_portal_shape),
    ("POST", "/v1/billing_portal/sessions", StripeApi.create_portal),
    ("GET", "/v1/subscriptions", StripeApi.list_subscriptions),
    ("POST", f"/v1/subscriptions/{_ID}", StripeApi.update_subscription),
    ("DELETE", f"/v1/subscriptions/{_ID}", StripeApi.cancel_subscription),
    ("POST", "/v1/subscription_schedules", StripeApi.create_schedule),
    ("GET", f"/v1/subscription_schedules/{_ID}", StripeApi.get_schedule),
    ("POST", f"/v1/subscription_schedules/{_ID}", StripeApi.update_schedule),
    ("POST", f"/v1/subscription_schedules/{_ID}/release", StripeApi.release_schedule),
    ("GET", "/v1/invoices", StripeApi.list_invoices),
    ("POST", "/v1/invoices/create_preview", StripeApi.preview),
    ("POST", f"/v1/invoices/{_ID}/void", StripeApi.void_invoice),
    ("GET", "/v1/charges", StripeApi.list_charges),
    ("GET", f"/v1/charges/{_ID}", StripeApi.get_charge),
    ("GET", "/v1/events", StripeApi.list_events),
)
