"""Stripe over HTTP: the ``stripe`` package with its asynchronous client and a pinned version of the API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Literal, TypeVar

import stripe
from stripe.params import CustomerUpdateParams, SubscriptionCancelParams, SubscriptionUpdateParams
from stripe.params.billing_portal import ConfigurationCreateParamsFeatures

from hourpost.errors import ServiceUnavailable
from hourpost.gateways.stripe.objects import (
    Checkout,
    Invoice,
    NewCheckout,
    NewCustomer,
    Preview,
    Product,
    StripeRefused,
    StripeUnknown,
)
from hourpost.gateways.stripe.reading import (
    FOLLOWS_KEY,
    GIVEN_UP,
    OVERRULED_KEY,
    PLAN_KEY,
    TOLD_KEY,
    phases_to,
    read_checkout,
    read_invoice,
    read_preview,
    read_price,
    read_subscription,
)
from hourpost.rules.subscriptions import LOOKUP_KEYS, TERMS, Price, Subscription, lookup_key

# Pinned: webhooks and answers keep this shape until it is raised here, and the tests with it.
API_VERSION = "2026-10-28.endive"
CURRENCY = "usd"
# Those that answer at once: a bank debit is paid days after the plan has begun, and no upgrade can wait for it.
_PAYS_WITH: list[Literal["card", "link"] | str] = ["card", "link"]
_TIMEOUT_SECONDS = 20  # a bank that is asked for money may take ten of them
_RETRIES = 2
PORTAL_FEATURES: ConfigurationCreateParamsFeatures = {
    "customer_update": {"enabled": True, "allowed_updates": ["name", "email", "address", "tax_id"]},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": False},
    "subscription_update": {"enabled": False},
}
PORTAL_KEY = "hourpost_portal"  # in the metadata of the portal's configurations: a fingerprint of the features
_INVOICES = 100
_CHARGES = 100  # of those invoices; a card that is declined leaves several of one
# Whether what was asked has been done is not known then; whatever is asked next begins with what Stripe says of it.
_AWAY_TEXT = "Stripe does not answer at the moment. Please look again in a minute: nothing is charged twice."

Found = TypeVar("Found")
Thing = TypeVar("Thing", bound=stripe.StripeObject)


class RealStripe:
    """Asks Stripe, or what ``url`` names in its place. Use it on one event loop."""

    def __init__(self, key: str, url: str | None = None) -> None:
        self._http = stripe.HTTPXClient(timeout=_TIMEOUT_SECONDS)
        client = stripe.StripeClient(
            key,
            stripe_version=API_VERSION,
            base_addresses={"api": url} if url else None,
            max_network_retries=_RETRIES,
            http_client=self._http,
        )
        self._api = client.v1

    async def create_customer(self, new: NewCustomer) -> str:
        """The id of a new customer; asked again for the same one, the same id."""
        created = await _ask(
            self._api.customers.create_async(
                {
                    "name": new.name,
                    "email": new.email,
                    "metadata": {"hourpost_account": new.account_id, TOLD_KEY: new.fingerprint},
                },
                {"idempotency_key": f"hourpost-customer-{new.account_id}-{new.number}-{new.fingerprint}"},
            )
        )
        return created.id

    async def tell_customer(self, customer_id: str, now: NewCustomer) -> None:
        """Let a customer have another name and address once those of the account are other ones.

        What was changed on the page for cards and invoices stays until then.
        """
        found = (await _ask(self._api.customers.retrieve_async(customer_id))).to_dict()
        told = (found.get("metadata") or {}).get(TOLD_KEY)
        if found.get("deleted") or told == now.fingerprint:
            return
        change: CustomerUpdateParams = {"metadata": {TOLD_KEY: now.fingerprint}}
        if told is not None:  # of who became a customer before this was kept nobody knows which is the newer
            change |= {"name": now.name, "email": now.email}
        await _ask(self._api.customers.update_async(customer_id, change))

    async def customer_exists(self, customer_id: str) -> bool:
        """Whether there is such a customer still: False once it was deleted. Raises: StripeUnknown."""
        found = await _ask(self._api.customers.retrieve_async(customer_id))
        return not getattr(found, "deleted", False)

    async def find_customer_of_charge(self, charge_id: str) -> str | None:
        """Whose charge it is, or None."""
        try:
            found = await _ask(self._api.charges.retrieve_async(charge_id))
        except StripeUnknown:
            return None
        customer: str | None = found.to_dict().get("customer")
        return customer

    async def list_subscriptions(self, customer_id: str) -> tuple[Subscription, ...]:
        """All there were, whatever became of them; empty for a customer that is gone."""
        try:
            found = await _ask(
                self._api.subscriptions.list_async(
                    {
                        "customer": customer_id,
                        "status": "all",
                        "limit": 100,
                        "expand": ["data.latest_invoice", "data.schedule"],
                    }
                )
            )
            rows = [one.to_dict() async for one in _all(found)]
        except StripeUnknown:
            return ()
        known = {price.id: plan for plan, price in (await self.list_prices()).items()} if rows else {}
        return tuple(read_subscription(row, known) for row in rows if row["items"]["data"])

    async def list_invoices(self, customer_id: str) -> tuple[Invoice, ...]:
        """The newest 100, newest first; empty for a customer that is gone."""
        try:
            found = await _ask(
                self._api.invoices.list_async(
                    {"customer": customer_id, "limit": _INVOICES, "expand": ["data.payments"]}
                )
            )
            # Since March 2025 an invoice does not tell what was given back, and a charge not what it was for.
            charges = await _ask(self._api.charges.list_async({"customer": customer_id, "limit": _CHARGES}))
        except StripeUnknown:
            return ()
        rows = [one.to_dict() for one in charges.data]
        return tuple(read_invoice(one.to_dict(), rows) for one in found.data if one.status != "draft")

    async def list_prices(self) -> dict[str, Price]:
        """The present prices by plan."""
        found = await _ask(
            self._api.prices.list_async({"lookup_keys": list(LOOKUP_KEYS), "active": True, "limit": 100})
        )
        prices = [read_price(one.to_dict()) for one in found.data]
        return {price.plan: price for price in prices if price.plan}

    async def put_product(self, plan: str, name: str, description: str, amount_cents: int) -> Product:
        """See to it that a plan has its product and its price; an earlier price goes on for who has it."""
        product_id = f"hourpost_{plan}"
        try:
            await _ask(
                self._api.products.update_async(product_id, {"name": name, "description": description, "active": True})
            )
        except StripeUnknown:
            await _ask(
                self._api.products.create_async(
                    {"id": product_id, "name": name, "description": description, "metadata": {PLAN_KEY: plan}}
                )
            )
        price = (await self.list_prices()).get(plan)
        # Known by this when its lookup key has moved on; one of other terms is somebody's look worth then.
        if price is not None and price.terms == TERMS:
            await _ask(self._api.prices.update_async(price.id, {"metadata": {PLAN_KEY: plan}}))
        if price is None or not price.asks(amount_cents):
            created = await _ask(
                self._api.prices.create_async(
                    {
                        "product": product_id,
                        "currency": CURRENCY,
                        "unit_amount": amount_cents,
                        "recurring": {"interval": "month"},
                        "lookup_key": lookup_key(plan),
                        "transfer_lookup_key": True,
                        "metadata": {PLAN_KEY: plan},
                    }
                )
            )
            price = read_price(created.to_dict())
        return Product(product_id, name, price)

    async def open_checkout(self, new: NewCheckout) -> Checkout:
        """A page to pay a plan on."""
        created = await _ask(
            self._api.checkout.sessions.create_async(
                {
                    "mode": "subscription",
                    "customer": new.customer_id,
                    "client_reference_id": new.account_id,
                    "line_items": [{"price": new.price_id, "quantity": 1}],
                    "allow_promotion_codes": True,
                    "allowed_payment_method_types": _PAYS_WITH,
                    "success_url": f"{new.return_url}?session_id={{CHECKOUT_SESSION_ID}}",
                    "cancel_url": new.cancel_url,
                    "subscription_data": {"metadata": {"hourpost_account": new.account_id}},
                },
                {"idempotency_key": f"hourpost-checkout-{new.account_id}-{new.price_id}-{new.nonce}"},
            )
        )
        return read_checkout(created.to_dict())

    async def get_checkout(self, checkout_id: str) -> Checkout:
        """How far a checkout has come."""
        return read_checkout((await _ask(self._api.checkout.sessions.retrieve_async(checkout_id))).to_dict())

    async def expire_checkout(self, checkout_id: str) -> None:
        """Close a checkout that nobody has paid on; one that is over already stays as it is."""
        if (await self.get_checkout(checkout_id)).status == "open":
            await _ask(self._api.checkout.sessions.expire_async(checkout_id))

    async def void_invoice(self, invoice_id: str) -> None:
        """Ask no more for what a bill that is not paid asks for; a change that waited for it is forgotten with it."""
        await _ask(self._api.invoices.void_invoice_async(invoice_id))

    async def open_portal(self, customer_id: str, return_url: str) -> str:
        """The address of the page for cards, addresses and invoices; plans are changed on ours alone."""
        session = await _ask(
            self._api.billing_portal.sessions.create_async(
                {"customer": customer_id, "return_url": return_url, "configuration": await self._portal_shape()}
            )
        )
        return session.url

    async def _portal_shape(self) -> str:
        """Our own configuration of the portal, made where there is none.

        A fresh Stripe has none, and the one that is made in its dashboard lets customers change a plan before it is
        paid, and leave at once. No key of ours goes with its making: a key outlives the configuration that somebody
        has archived, and two of one shape do no harm.
        """
        shape = sha256(json.dumps(PORTAL_FEATURES, sort_keys=True).encode()).hexdigest()[:12]
        portals = self._api.billing_portal.configurations
        async for one in _all(await _ask(portals.list_async({"active": True, "limit": 100}))):
            if (one.to_dict().get("metadata") or {}).get(PORTAL_KEY) == shape:
                return one.id
        made = await _ask(portals.create_async({"features": PORTAL_FEATURES, "metadata": {PORTAL_KEY: shape}}))
        return made.id

    async def preview(self, subscription: Subscription, price_id: str, at: datetime) -> Preview:
        """What a change to that price at that moment would cost at once."""
        found = await _ask(
            self._api.invoices.create_preview_async(
                {
                    "customer": subscription.customer_id,
                    "subscription": subscription.id,
                    "subscription_details": {
                        "items": [{"id": subscription.item_id, "price": price_id}],
                        "proration_behavior": "always_invoice",
                        "proration_date": int(at.timestamp()),
                    },
                }
            )
        )
        return read_preview(found.to_dict(), at)

    async def upgrade(self, subscription: Subscription, price_id: str, at: datetime) -> None:
        """Change the price now and bill the difference; the change holds only when that is paid.

        Until then what was scheduled stands; the schedule itself remembers what ends it.
        """
        moment = int(at.timestamp())
        if subscription.schedule_id is not None:
            await _ask(
                self._api.subscription_schedules.update_async(
                    subscription.schedule_id, {"metadata": {OVERRULED_KEY: price_id}}
                )
            )
        await _ask(
            self._api.subscriptions.update_async(
                subscription.id,
                {
                    "items": [{"id": subscription.item_id, "price": price_id}],
                    "proration_behavior": "always_invoice",
                    "proration_date": moment,
                    "payment_behavior": "pending_if_incomplete",
                },
                {"idempotency_key": f"hourpost-upgrade-{subscription.id}-{price_id}-{moment}"},
            )
        )

    async def schedule_price(self, subscription: Subscription, price_id: str) -> None:
        """Change the price when the paid period ends."""
        schedules = self._api.subscription_schedules
        if subscription.schedule_id is None:
            found = await _ask(schedules.create_async({"from_subscription": subscription.id}))
        else:
            found = await _ask(schedules.retrieve_async(subscription.schedule_id))
        schedule = found.to_dict()
        phases = phases_to(schedule, subscription.price.id, price_id)
        await _ask(
            schedules.update_async(
                schedule["id"],
                {
                    "end_behavior": "release",
                    "proration_behavior": "none",
                    "phases": phases,
                    "metadata": {OVERRULED_KEY: ""},  # an earlier upgrade that is paid yet does not end a later wish
                },
            )
        )

    async def release_schedule(self, schedule_id: str) -> None:
        """Forget a change that was scheduled."""
        await _ask(self._api.subscription_schedules.release_async(schedule_id))

    async def remember_next(self, subscription: Subscription, plan: str | None) -> None:
        """Keep which plan was chosen to follow: Stripe schedules nothing beside an end."""
        told = {FOLLOWS_KEY: plan or ""}
        await _ask(self._api.subscriptions.update_async(subscription.id, {"metadata": told}))

    async def cancel_at_period_end(self, subscription: Subscription, *, wanted: bool) -> None:
        """Let a subscription end with its paid period, or let it go on after all."""
        change: SubscriptionUpdateParams = {"cancel_at_period_end": wanted}
        if not wanted and not subscription.at_period_end:
            change = {"cancel_at": ""}
        await _ask(self._api.subscriptions.update_async(subscription.id, change))

    async def cancel_now(self, subscription: Subscription) -> None:
        """End a subscription at once, where it is not over; one that is not paid remembers that it was given up.

        Of what is given up the bills are voided.
        """
        why: SubscriptionCancelParams = {}
        if not subscription.is_paid:
            why = {"cancellation_details": {"comment": GIVEN_UP}}
        with suppress(StripeUnknown):  # as Stripe calls what is over, so that an answer may be lost
            await _ask(self._api.subscriptions.cancel_async(subscription.id, why))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the package leaves it untyped


async def _all(first: stripe.ListObject[Thing]) -> AsyncIterator[Thing]:
    """What stands on this page of a list and on those that follow. Raises: as ``_ask``."""
    things = first.auto_paging_iter()
    while (thing := await _ask(anext(things, None))) is not None:
        yield thing


async def _ask(question: Awaitable[Found]) -> Found:
    try:
        return await question
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise _away(error) from error
    except stripe.InvalidRequestError as error:
        kind = StripeUnknown if error.code == "resource_missing" or error.http_status == 404 else StripeRefused
        raise kind(f"Stripe says: {error.user_message or 'that is not possible.'}", cause=_cause(error)) from error
    except stripe.CardError as error:
        text = error.user_message or "the card was declined."
        raise StripeRefused(f"Stripe says: {text}", cause=_cause(error)) from error
    except (stripe.AuthenticationError, stripe.PermissionError, stripe.IdempotencyError) as error:
        raise StripeRefused("The payment could not be set up; we have been told.", cause=_cause(error)) from error
    except stripe.StripeError as error:
        raise _away(error) from error


def _away(error: stripe.StripeError) -> ServiceUnavailable:
    return ServiceUnavailable(_AWAY_TEXT, retry_after_seconds=30, cause=_cause(error))


def _cause(error: stripe.StripeError) -> str:
    """What an operator needs to find it at Stripe; no key is in it."""
    return f"{type(error).__name__} {error.code or ''} {error.request_id or ''}: {error.user_message or error}"[:500]
