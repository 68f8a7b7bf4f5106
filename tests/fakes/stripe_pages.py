"""The pages of the fake Stripe that a browser sees: the checkout, the portal, and an invoice to be paid."""

from __future__ import annotations

from html import escape

from tests.fakes.stripe_state import StripeState, Thing

Answer = tuple[int, str]
"""A page (200, HTML) or where to go next (303, address)."""


def _page(title: str, *parts: str) -> Answer:
    head = f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title></head>"
    return 200, f"{head}<body><main><h1>{escape(title)}</h1>{''.join(parts)}</main></body></html>"


def _button(action: str, label: str) -> str:
    return f"<button name='do' value='{action}'>{escape(label)}</button> "


def _form(*parts: str) -> str:
    return f"<form method='post'>{''.join(parts)}</form>"


def _money(cents: int) -> str:
    return f"${cents / 100:.2f}"


def show(state: StripeState, kind: str, thing_id: str) -> Answer:
    """What a browser gets at `/pages/{kind}/{id}`."""
    if kind == "checkout":
        return _show_checkout(state, state.get(thing_id, "checkout.session"))
    if kind == "portal":
        return _show_portal(state, state.get(thing_id, "billing_portal.session"))
    return _show_invoice(state.get(thing_id, "invoice"))


def press(state: StripeState, kind: str, thing_id: str, action: str) -> Answer:
    """What a pressed button does there."""
    if kind == "checkout":
        return _press_checkout(state, state.get(thing_id, "checkout.session"), action)
    if kind == "portal":
        session = state.get(thing_id, "billing_portal.session")
        state.cards[session["customer"]] = action
        for invoice in state.all("invoice", customer=session["customer"], status="open"):
            if action == "ok":
                state.settle(invoice)
        return 303, session["return_url"]
    invoice = state.get(thing_id, "invoice")
    if action == "pay" and invoice["status"] == "open":
        state.settle(invoice)
    return _show_invoice(invoice)


def _show_checkout(state: StripeState, session: Thing) -> Answer:
    if session["status"] != "open":
        return _page("This checkout is over")
    price = state.get(session["_price"], "price")
    buttons = _form(
        _button("pay", f"Pay {_money(price['unit_amount'])}"),
        _button("decline", "Use a card that is declined"),
        _button("cancel", "Back"),
    )
    return _page("Subscribe to Hourpost", buttons)


def _press_checkout(state: StripeState, session: Thing, action: str) -> Answer:
    if action == "cancel":
        return 303, session["cancel_url"]
    if action == "decline" or session["status"] != "open":
        return _page("Your card was declined", "<p>Try another one.</p>", _form(_button("pay", "Pay")))
    complete(state, session)
    return 303, session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])


def complete(state: StripeState, session: Thing) -> Thing:
    """Somebody has paid; gives the subscription."""
    subscription = state.subscribe(session["customer"], session["_price"])
    session |= {"status": "complete", "payment_status": "paid", "subscription": subscription["id"], "url": None}
    state.event("checkout.session.completed", session)
    return subscription


def _show_portal(state: StripeState, session: Thing) -> Answer:
    invoices = state.all("invoice", customer=session["customer"])
    rows = "".join(f"<li>{one['number']} {_money(one['total'])} {one['status']}</li>" for one in invoices)
    buttons = _form(_button("ok", "Use a good card"), _button("declined", "Use a card that is declined"))
    return _page("Billing", f"<ul>{rows}</ul>", buttons)


def _show_invoice(invoice: Thing) -> Answer:
    title = f"Invoice {invoice['number']}: {invoice['status']}"
    if invoice["status"] != "open":
        return _page(title)
    return _page(title, _form(_button("pay", f"Confirm and pay {_money(invoice['total'])}")))
