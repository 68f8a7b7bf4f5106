"""What Stripe is asked, and the objects it answers with, as far as we need them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from hourpost.errors import Refused
from hourpost.rules.subscriptions import Price, Subscription


class StripeRefused(Refused):
    """Stripe will not do it, and says why in words that a customer may read."""

    name = "payment_refused"


class StripeUnknown(StripeRefused):
    """Stripe knows no such thing: perhaps it is another Stripe that we ask."""


class BadSignature(Refused):
    """It was not Stripe who sent this, not lately, or not for us."""

    name = "invalid_signature"


@dataclass(frozen=True, slots=True)
class Invoice:
    """A bill. ``url`` is Stripe's page to see or pay it, ``pdf_url`` the document."""

    id: str
    number: str | None
    status: str
    total_cents: int
    due_cents: int
    refunded_cents: int
    is_disputed: bool
    currency: str
    created_at: datetime
    url: str | None
    pdf_url: str | None
    subscription_id: str | None = None
    paid_at: datetime | None = None

    @property
    def is_refunded(self) -> bool:
        """Whether all of it was given back, or there was nothing to pay."""
        return self.refunded_cents >= self.total_cents


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One line of a bill to be: negative where something is given back."""

    text: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be billed at once for a change made at ``at``."""

    due_cents: int
    currency: str
    lines: tuple[PreviewLine, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Checkout:
    """A page of Stripe's on which a plan is paid for the first time. ``url`` is None once it is over.

    ``expires_at`` is when it ends by itself.
    """

    id: str
    url: str | None
    status: str
    customer_id: str | None
    is_paid: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Product:
    """A plan as Stripe knows it, with its present price."""

    id: str
    name: str
    price: Price


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """A webhook: what happened, and to whose things; never what they are now."""

    id: str
    kind: str
    created_at: datetime
    customer_id: str | None
    object_id: str | None


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A customer to be; ``number`` counts those that this account had before."""

    account_id: str
    name: str
    email: str
    number: int = 0

    @property
    def fingerprint(self) -> str:
        """Of name and address: Stripe refuses a key that was used for others."""
        return sha256(f"{self.name}\n{self.email}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class NewCheckout:
    """A checkout to be. The same ``nonce`` opens the same one again."""

    customer_id: str
    account_id: str
    price_id: str
    return_url: str
    cancel_url: str
    nonce: str


class Stripe(Protocol):
    """Stripe. Everything raises ServiceUnavailable while it is away, and StripeRefused for what it will not do."""

    async def create_customer(self, new: NewCustomer) -> str:
        """The id of a new customer; asked again for the same one, the same id."""
        ...

    async def tell_customer(self, customer_id: str, now: NewCustomer) -> None:
        """Let a customer have another name and address once those of the account have changed."""
        ...

    async def customer_exists(self, customer_id: str) -> bool:
        """Whether there is such a customer still: False once it was deleted. Raises: StripeUnknown."""
        ...

    async def find_customer_of_charge(self, charge_id: str) -> str | None:
        """Whose charge it is, or None."""
        ...

    async def list_subscriptions(self, customer_id: str) -> tuple[Subscription, ...]:
        """All there were, whatever became of them; empty for a customer that is gone."""
        ...

    async def list_invoices(self, customer_id: str) -> tuple[Invoice, ...]:
        """The newest 100, newest first; empty for a customer that is gone."""
        ...

    async def list_prices(self) -> dict[str, Price]:
        """The present prices by plan."""
        ...

    async def put_product(self, plan: str, name: str, description: str, amount_cents: int) -> Product:
        """See to it that a plan has its product and its price; an earlier price goes on for who has it."""
        ...

    async def open_checkout(self, new: NewCheckout) -> Checkout:
        """A page to pay a plan on."""
        ...

    async def get_checkout(self, checkout_id: str) -> Checkout:
        """How far a checkout has come."""
        ...

    async def expire_checkout(self, checkout_id: str) -> None:
        """Close a checkout that nobody has paid on; one that is over already stays as it is."""
        ...

    async def void_invoice(self, invoice_id: str) -> None:
        """Ask no more for what a bill that is not paid asks for; a change that waited for it is forgotten with it."""
        ...

    async def open_portal(self, customer_id: str, return_url: str) -> str:
        """The address of the page for cards, addresses and invoices."""
        ...

    async def preview(self, subscription: Subscription, price_id: str, at: datetime) -> Preview:
        """What a change to that price at that moment would cost at once."""
        ...

    async def upgrade(self, subscription: Subscription, price_id: str, at: datetime) -> None:
        """Change the price now and bill the difference; the change holds only when that is paid."""
        ...

    async def schedule_price(self, subscription: Subscription, price_id: str) -> None:
        """Change the price when the paid period ends."""
        ...

    async def release_schedule(self, schedule_id: str) -> None:
        """Forget a change that was scheduled."""
        ...

    async def remember_next(self, subscription: Subscription, plan: str | None) -> None:
        """Keep which plan was chosen to follow a subscription that is canceled for later."""
        ...

    async def cancel_at_period_end(self, subscription: Subscription, *, wanted: bool) -> None:
        """Let a subscription end with its paid period, or let it go on after all."""
        ...

    async def cancel_now(self, subscription: Subscription) -> None:
        """End a subscription at once, where it is not over; one that is not paid remembers that it was given up."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
