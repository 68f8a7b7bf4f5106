"""What the fake Stripe remembers, and how its money moves: prices, subscriptions, bills, cards, and a clock one sets.

Objects are dicts of Stripe's own shape. `advance` lets time pass as Stripe does: periods renew, schedules take effect,
failed payments are tried again, and what was canceled ends.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Collection
from typing import Any

from tests.fakes.stripe_shapes import made_whole, whole_phase

MONTH = 30 * 86400
RETRY_AFTER = (3 * 86400, 5 * 86400, 7 * 86400)  # after the first failure
Thing = dict[str, Any]


class NotThere(Exception):
    """404 `resource_missing`."""


class Unwilling(Exception):
    """400, with a message."""


class CardDeclined(Exception):
    """402 `card_declined`."""


class StripeState:
    """Everything of one Stripe account. ``cards`` says of a customer: ok, declined or authenticate (3-D Secure)."""

    def __init__(self, first: int = 1) -> None:
        self.now = int(time.time())
        self.things: dict[str, Thing] = {}
        self.cards: dict[str, str] = {}
        self.retries: dict[str, list[int]] = {}  # of unpaid bills: when they are tried again
        self.after_last_retry = "unpaid"
        self.tell: Callable[[Thing], None] = lambda event: None
        self._numbers = itertools.count(first)

    # things

    def next_number(self) -> int:
        """Of the next thing; nothing else ever has it."""
        return next(self._numbers)

    def new(self, kind: str, prefix: str, **fields: Any) -> Thing:
        thing = {"id": f"{prefix}_{next(self._numbers):06d}", "object": kind, "created": self.now, "livemode": False}
        thing |= fields
        self.things[thing["id"]] = thing
        return thing

    def get(self, thing_id: str, kind: str) -> Thing:
        thing = self.things.get(thing_id)
        if thing is None or thing["object"] != kind:
            raise NotThere(f"No such {kind}: '{thing_id}'")
        return thing

    def all(self, kind: str, **having: Any) -> list[Thing]:
        """The newest first."""
        found = [one for one in self.things.values() if one["object"] == kind]
        return [one for one in reversed(found) if all(one.get(name) == value for name, value in having.items())]

    def event(self, kind: str, thing: Thing) -> None:
        shown = copy.deepcopy(self.shown(thing))
        event = self.new("event", "evt", type=kind, data={"object": shown}, api_version="2026-10-28.endive")
        self.tell(made_whole(event))

    def shown(self, thing: Thing, expand: Collection[str] = ()) -> Thing:
        """A thing as Stripe shows it: prices whole, the things that ``expand`` names whole, the others as ids."""
        out = {name: value for name, value in thing.items() if not name.startswith("_")}
        if thing["object"] == "subscription":
            out["items"] = {**thing["items"], "data": [self._with_price(one) for one in thing["items"]["data"]]}
            if pending := thing["pending_update"]:
                items = [self._with_price(one) for one in pending["subscription_items"]]
                out["pending_update"] = {**pending, "subscription_items": items}
        if thing["object"] == "subscription_schedule":
            out["phases"] = [whole_phase(one) for one in thing["phases"]]
        for name in expand:
            if isinstance(out.get(name), str):
                out[name] = self.shown(self.things[out[name]])
        return out

    def _with_price(self, item: Thing) -> Thing:
        return {**item, "price": self.things[item["price"]]}

    # subscriptions

    def subscribe(self, customer: str, price: str, *, status: str = "active", **fields: Any) -> Thing:
        """A subscription with its first bill; tells of both."""
        end = self.now + MONTH
        item = self.new("subscription_item", "si", price=price, quantity=1)
        del item["livemode"]
        item |= {"current_period_start": self.now, "current_period_end": end}
        subscription = self.new(
            "subscription",
            "sub",
            customer=customer,
            status=status,
            items={"object": "list", "data": [item], "has_more": False, "url": "/v1/subscription_items"},
            cancel_at=None,
            cancel_at_period_end=False,
            cancellation_details={"comment": None, "feedback": None, "reason": None},
            ended_at=None,
            schedule=None,
            pending_update=None,
            latest_invoice=None,
            currency="usd",
            metadata={},
        )
        item["subscription"] = subscription["id"]
        subscription |= fields
        self.bill(subscription, [(self._price(price)["unit_amount"], "1 × plan")], paid=status == "active")
        self.event("customer.subscription.created", subscription)
        return subscription

    def cancel_now(self, subscription: Thing) -> None:
        """Its open bills stay payable on their pages, but are tried no more."""
        subscription |= {"status": "canceled", "ended_at": self.now}
        for invoice in self.invoices_of(subscription):
            self.retries.pop(invoice["id"], None)
        if schedule := self.things.get(subscription["schedule"] or ""):
            schedule["status"] = "canceled"
        self.event("customer.subscription.deleted", subscription)

    def change_price(self, subscription: Thing, price: str, at: int, behavior: str) -> None:
        """Upwards at once: billed now, and pending until it is paid where the caller wants that.

        A pending change before is replaced, and its bill void. A schedule stands beside it.
        """
        item = subscription["items"]["data"][0]
        if subscription["pending_update"]:
            self._void_pending(subscription)
        invoice = self.bill(subscription, self.proration(subscription, price, at), paid=False)
        if self._pay_by_card(invoice):
            self._set_price(subscription, price)
        elif behavior == "pending_if_incomplete":
            pending = {**item, "price": price}
            expires_at = min(self.now + 82800, item["current_period_end"])
            subscription["pending_update"] = {"expires_at": expires_at, "subscription_items": [pending]}
            invoice["_then_price"] = price
        else:
            raise CardDeclined("Your card was declined.")
        self.event("customer.subscription.updated", subscription)

    def proration(self, subscription: Thing, price: str, at: int) -> list[tuple[int, str]]:
        item = subscription["items"]["data"][0]
        whole = item["current_period_end"] - item["current_period_start"]
        left = max(0, item["current_period_end"] - at)
        old, new = self._price(item["price"]), self._price(price)
        return [
            (-round(old["unit_amount"] * left / whole), f"Unused time on {self._name(old)}"),
            (round(new["unit_amount"] * left / whole), f"Remaining time on {self._name(new)}"),
        ]

    def _set_price(self, subscription: Thing, price: str) -> None:
        subscription["items"]["data"][0]["price"] = price
        if schedule := self.things.get(subscription["schedule"] or ""):
            self._split_phase(schedule, price)
        if subscription["pending_update"] is not None:
            subscription["pending_update"] = None
            self.event("customer.subscription.pending_update_applied", subscription)

    def _split_phase(self, schedule: Thing, price: str) -> None:
        """A schedule follows what is changed beside it: what remains of the present phase has the new price."""
        present = next(
            one for one in schedule["phases"] if one["start_date"] == schedule["current_phase"]["start_date"]
        )
        rest = {**present, "start_date": self.now, "items": [{"price": price, "quantity": 1}]}
        later = [one for one in schedule["phases"] if one["start_date"] >= present["end_date"]]
        schedule["phases"] = [{**present, "end_date": self.now}, rest, *later]
        schedule["current_phase"] = {"start_date": self.now, "end_date": present["end_date"]}

    def _price(self, price: str) -> Thing:
        return self.get(price, "price")

    def _name(self, price: Thing) -> str:
        product = self.things.get(price["product"])
        return product["name"] if product else price["id"]

    # bills

    def bill(self, subscription: Thing, lines: list[tuple[int, str]], *, paid: bool) -> Thing:
        total = sum(amount for amount, _ in lines)
        number = next(self._numbers)
        invoice = self.new(
            "invoice",
            "in",
            customer=subscription["customer"],
            number=f"HP-{number:04d}",
            status="open",
            total=total,
            amount_due=total,
            amount_remaining=total,
            currency="usd",
            parent={"type": "subscription_details", "subscription_details": {"subscription": subscription["id"]}},
            lines=self.lines(lines),
            payments={"object": "list", "data": [], "has_more": False, "url": "/v1/invoices/in_1/payments"},
        )
        subscription["latest_invoice"] = invoice["id"]
        self.event("invoice.finalized", invoice)
        if paid or total <= 0:
            self.settle(invoice)
        return invoice

    def invoices_of(self, subscription: Thing, **having: Any) -> list[Thing]:
        """The newest first."""
        found = self.all("invoice", **having)
        return [one for one in found if one["parent"]["subscription_details"]["subscription"] == subscription["id"]]

    def _line(self, amount: int, text: str) -> Thing:
        period = {"start": self.now, "end": self.now + MONTH}
        named = {"object": "line_item", "id": f"il_{next(self._numbers)}", "period": period}
        return {**named, "amount": amount, "description": text}

    def lines(self, lines: list[tuple[int, str]]) -> Thing:
        data = [self._line(amount, text) for amount, text in lines]
        return {"object": "list", "data": data, "has_more": False, "url": "/v1/invoices/in_1/lines"}

    def _pay_by_card(self, invoice: Thing) -> bool:
        card = self.cards.get(invoice["customer"], "ok")
        if card == "ok":
            self.settle(invoice)
            return True
        self._charge(invoice, "failed")
        self.event("invoice.payment_failed", invoice)
        if card == "authenticate":
            self.event("invoice.payment_action_required", invoice)
        return False

    def settle(self, invoice: Thing) -> None:
        """Paid, by whatever way; its subscription follows."""
        charge = self._charge(invoice, "succeeded")
        payment = {"id": f"inpay_{charge['id']}", "object": "invoice_payment", "status": "paid", "created": self.now}
        payment |= {"invoice": invoice["id"], "amount_requested": invoice["total"]}
        payment["payment"] = {"type": "payment_intent", "payment_intent": charge["payment_intent"]}
        invoice["payments"]["data"].append(payment)
        invoice |= {"status": "paid", "amount_remaining": 0, "status_transitions": {"paid_at": self.now}}
        self.retries.pop(invoice["id"], None)
        self.event("invoice.paid", invoice)
        subscription = self.things.get(invoice["parent"]["subscription_details"]["subscription"])
        if subscription is None:
            return
        if "_then_price" in invoice:
            self._set_price(subscription, invoice.pop("_then_price"))
        if subscription["status"] in ("past_due", "unpaid", "incomplete"):
            subscription["status"] = "active"
            self.event("customer.subscription.updated", subscription)

    def _charge(self, invoice: Thing, status: str) -> Thing:
        """Every try at an invoice is a charge of the same payment intent."""
        charge = self.new("charge", "ch", customer=invoice["customer"], amount=invoice["total"], amount_refunded=0)
        names = {"payment_intent": f"pi_{invoice['id']}", "status": status, "paid": status == "succeeded"}
        charge |= {"disputed": False, "refunded": False, **names}
        return charge

    def charge_of(self, invoice: Thing) -> Thing:
        intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]
        return self.all("charge", payment_intent=intent, status="succeeded")[0]

    def refund(self, invoice: Thing, amount: int) -> None:
        charge = self.charge_of(invoice)
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] >= charge["amount"]
        self.event("charge.refunded", charge)

    def dispute(self, invoice: Thing) -> None:
        charge = self.charge_of(invoice)
        charge["disputed"] = True
        dispute = self.new("dispute", "du", charge=charge["id"], payment_intent=charge["payment_intent"])
        self.event("charge.dispute.created", dispute | {"amount": charge["amount"], "status": "needs_response"})

    # time

    def advance(self, seconds: int) -> None:
        """Let time pass, with everything that happens meanwhile in its order."""
        end = self.now + seconds
        while (moment := self._next_moment()) is not None and moment <= end:
            self.now = max(self.now, moment)
            self._happen()
        self.now = end

    def _next_moment(self) -> int | None:
        moments = [moment for moments in self.retries.values() for moment in moments[:1]]
        for one in self.all("subscription"):
            if one["status"] in ("active", "past_due"):
                moments.append(one["items"]["data"][0]["current_period_end"])
                moments += [one["cancel_at"]] if one["cancel_at"] else []
                moments += [one["pending_update"]["expires_at"]] if one["pending_update"] else []
        return min(moments, default=None)

    def _happen(self) -> None:
        for one in reversed(self.all("subscription")):
            if one["status"] not in ("active", "past_due"):
                continue
            period_end = one["items"]["data"][0]["current_period_end"]
            if one["pending_update"] and one["pending_update"]["expires_at"] <= self.now:
                self._drop_pending(one)
            if (one["cancel_at"] or period_end + 1) <= self.now:
                self.cancel_now(one)
            elif period_end <= self.now:
                self._end_period(one)
        for invoice_id in [invoice_id for invoice_id, moments in self.retries.items() if moments[0] <= self.now]:
            self._retry(self.get(invoice_id, "invoice"))

    def _end_period(self, subscription: Thing) -> None:
        if subscription["cancel_at_period_end"]:
            self.cancel_now(subscription)
            return
        item = subscription["items"]["data"][0]
        item |= {"current_period_start": self.now, "current_period_end": self.now + MONTH}
        self._follow_schedule(subscription)
        amount = self._price(item["price"])["unit_amount"]
        invoice = self.bill(subscription, [(amount, "1 × plan")], paid=False)
        if not self._pay_by_card(invoice):
            subscription["status"] = "past_due"
            self.retries[invoice["id"]] = [self.now + pause for pause in RETRY_AFTER]
        self.event("customer.subscription.updated", subscription)

    def _drop_pending(self, subscription: Thing) -> None:
        self._void_pending(subscription)
        self.event("customer.subscription.pending_update_expired", subscription)

    def void(self, invoice: Thing) -> None:
        """Nobody can pay it any more; a change that waited for it is over."""
        subscription = self.things[invoice["parent"]["subscription_details"]["subscription"]]
        if "_then_price" in invoice and subscription["pending_update"]:
            self._drop_pending(subscription)
        invoice |= {"status": "void", "amount_remaining": 0}
        self.retries.pop(invoice["id"], None)
        self.event("invoice.voided", invoice)

    def _void_pending(self, subscription: Thing) -> None:
        subscription["pending_update"] = None
        invoice = self.get(subscription["latest_invoice"], "invoice")
        invoice.pop("_then_price", None)
        invoice |= {"status": "void", "amount_remaining": 0}

    def _follow_schedule(self, subscription: Thing) -> None:
        schedule = self.things.get(subscription["schedule"] or "")
        if schedule is None:
            return
        for phase in schedule["phases"]:
            if phase["start_date"] <= self.now < phase["end_date"]:
                subscription["items"]["data"][0]["price"] = phase["items"][0]["price"]
                schedule["current_phase"] = {name: phase[name] for name in ("start_date", "end_date")}
                return
        self.release(schedule)  # the last phase is over

    def release(self, schedule: Thing) -> None:
        schedule["status"] = "released"
        subscription = self.things[schedule["subscription"]]
        subscription["schedule"] = None
        self.event("subscription_schedule.released", schedule)

    def _retry(self, invoice: Thing) -> None:
        moments = self.retries[invoice["id"]]
        moments.pop(0)
        if self._pay_by_card(invoice) or moments:
            return
        del self.retries[invoice["id"]]
        subscription = self.things[invoice["parent"]["subscription_details"]["subscription"]]
        if self.after_last_retry == "canceled":
            self.cancel_now(subscription)
        else:
            subscription["status"] = self.after_last_retry
            self.event("customer.subscription.updated", subscription)
