"""The till: where accounts pay. Each step reads Stripe anew under the account's lock, and writes what it finds."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.accounts import audit
from hourpost.accounts.audit import Actor
from hourpost.accounts.queries import Account, get_account
from hourpost.billing.asking import ask, release
from hourpost.billing.changes import (
    add_customer,
    follow_stripe,
    forget_checkout,
    remember_checkout,
    restore_plan,
    write_alert,
    write_found,
)
from hourpost.billing.findings import Found
from hourpost.billing.lock import lock_billing
from hourpost.billing.moves import Move, Resumed, check_moment, current_of, move_of, resumed
from hourpost.billing.queries import Customer, count_customers, find_customer, get_entitlement
from hourpost.database import Database
from hourpost.errors import Conflict, HourpostError, NotFound
from hourpost.gateways.clock import Clock
from hourpost.gateways.stripe import NewCheckout, NewCustomer, Stripe, StripeRefused, StripeUnknown
from hourpost.rules.subscriptions import Entitlement, Price, Subscription
from hourpost.settings import Settings

log = structlog.get_logger()

_ASKED = {"upgrade": "upgrade_asked", "downgrade": "downgrade_asked", "same": "plan_kept"}
"""What is written down of each kind of change; that the plan has changed is told by Stripe, when it has."""
_NOTHING_LEFT = "There is nothing left to take back: see below how it stands."
_CHANGED_MEANWHILE = "How it stands has changed meanwhile, and nothing was canceled: please look at it again."
_PAID_ELSEWHERE = "What this account pays for is not found at Stripe any more; please write to support."


@dataclass(frozen=True, slots=True)
class _Note:
    """A line for the audit log; none where nobody is said to have done it."""

    by: Actor | None
    action: str
    plan: str | None

    async def write(self, connection: AsyncConnection, now: datetime) -> None:
        if self.by is not None:
            detail = {"plan": self.plan} if self.plan else {}
            await audit.note(connection, self.by, self.action, now, **detail)


def _is_subscribed(subscriptions: Sequence[Subscription]) -> bool:
    return any(one.is_live for one in subscriptions)


def plan_url(settings: Settings) -> str:
    """The page that people come back to from Stripe."""
    return f"{settings.public_url}/app/plan"


class Till:
    """Sells plans at ``stripe``; ``plan_url`` is the page that people come back to.

    Everything raises ServiceUnavailable while Stripe or PostgreSQL is away, and StripeRefused for what Stripe refuses.
    """

    def __init__(self, database: Database, stripe: Stripe, clock: Clock, plan_url: str) -> None:
        self._database = database
        self._stripe = stripe
        self._clock = clock
        self._plan_url = plan_url

    async def sync(self, account_id: UUID) -> Entitlement | None:
        """Read Stripe anew and write what it says; None for an account that is no customer."""
        async with lock_billing(self._database, account_id):
            customer = await self._customer(account_id)
            if customer is None:
                return None
            try:
                subscriptions, entitlement = await self._read(customer)
            except StripeUnknown:
                await self._alert(customer, "unknown_customer", f"Stripe does not know {customer.id}: is it another?")
                raise
            async with self._database.reading() as connection:
                account = await get_account(connection, account_id)
            if account.closed_at is None:
                await self._tell_who(customer, account)
            elif _is_subscribed(subscriptions):
                return await self._end_all(customer, subscriptions)
            return entitlement

    async def check_out(self, account: Account, plan: str, nonce: str, by: Actor | None = None) -> str:
        """The address at which to pay for a first plan; the same ``nonce`` leads to the same checkout.

        Raises: Conflict while there is a subscription that is not over.
        """
        async with lock_billing(self._database, account.id):
            customer = await self._present_customer(account.id) or await self._new_customer(account)
            subscriptions, _ = await self._read(customer)
            if _is_subscribed(subscriptions):
                raise Conflict("already_subscribed", "There is a subscription already: change that one.")
            price = await self._price(plan)
            new = NewCheckout(
                customer.id, account.public_id, price.id, f"{self._plan_url}/return", self._plan_url, nonce
            )
            # To a nonce that it has seen Stripe answers as it did then, whatever has become of the checkout.
            checkout = await self._stripe.get_checkout((await self._stripe.open_checkout(new)).id)
            if checkout.url is None or checkout.status != "open":
                raise Conflict("checkout_over", "This checkout is over; please look at your plan again.")
            # Of two that are open at once both could be paid.
            if customer.checkout_id not in (None, checkout.id):
                await self._expire(customer.checkout_id or "")
            async with self._database.transaction() as connection:
                await remember_checkout(connection, customer.id, checkout, plan)
                await _Note(by, "checkout_opened", plan).write(connection, self._clock.now())
            return checkout.url

    async def come_back(self, account_id: UUID, checkout_id: str) -> Entitlement:
        """Who returns from a checkout need not wait for the webhook. Raises: NotFound for another's checkout."""
        checkout = await self._stripe.get_checkout(checkout_id)
        async with self._database.reading() as connection:
            customer = await find_customer(connection, account_id)
        if customer is None or checkout.customer_id != customer.id:
            raise NotFound("There is no such checkout.")
        entitlement = await self.sync(account_id)
        assert entitlement is not None  # the customer was there just now
        return entitlement

    async def portal(self, account_id: UUID) -> str:
        """The address of Stripe's page for cards and invoices.

        Raises: NotFound for who never paid; Conflict for who is no customer there any more.
        """
        customer = await self._customer(account_id)
        if customer is None:
            raise NotFound("This account has nothing to pay yet.")
        with suppress(StripeUnknown):
            return await self._stripe.open_portal(customer.id, f"{self._plan_url}/return")
        async with lock_billing(self._database, account_id):
            await self._present_customer(account_id)
        raise Conflict("not_subscribed", "There is nothing at Stripe to see or to pay: choose a plan first.")

    async def preview(self, account_id: UUID, plan: str) -> Move:
        """What a change to that plan would mean and cost, and when it would begin. Raises: Conflict."""
        customer = await self._paying_customer(account_id)
        asked = self._stripe.list_subscriptions(customer.id), self._price(plan)
        subscriptions, price = await asyncio.gather(*asked)  # Stripe is far away, and somebody waits
        current = current_of(subscriptions)
        now = self._clock.now()
        move = move_of(current, plan, price, now)
        if move.kind != "upgrade":
            return move
        return move.costing(await self._stripe.preview(current, price.id, now))

    async def change(self, account_id: UUID, plan: str, at: datetime, by: Actor | None = None) -> Move:
        """Change the plan as was previewed at ``at``: upwards now, downwards when the paid period ends.

        What it was is noted with what is then found, in one transaction; the same holds of all that takes ``by``.
        Raises: Conflict, also when the preview is too old to be charged.
        """
        async with lock_billing(self._database, account_id):
            customer, current = await self._current(account_id)
            price = await self._price(plan)
            move = move_of(current, plan, price, self._clock.now())
            if move.kind == "upgrade":
                check_moment(at, current, self._clock.now())
                await self._stripe.upgrade(current, price.id, at)
            elif move.kind == "downgrade":
                await self._stripe.schedule_price(current, price.id)
            else:
                await release(self._stripe, current)
            await self._read(customer, _Note(by, _ASKED[move.kind], plan))
            if move.kind == "same" and move.instead_of is None:  # nothing to take back: it is wanted as it is paid for
                async with self._database.transaction() as connection:
                    await restore_plan(connection, account_id, self._clock.now())
            return move

    async def cancel(
        self, account_id: UUID, by: Actor | None = None, at_once: Collection[str] | None = None
    ) -> datetime | None:
        """Let every subscription end with what is paid for, and give that moment.

        Where nothing is paid it ends at once (None), and its bills with it; so does what is not paid beside it. One
        that cannot be ended keeps no other from ending. ``at_once`` are those of which was shown that they end now.
        Raises: Conflict, also when that is no longer so.
        """
        async with lock_billing(self._database, account_id):
            customer = await self._paying_customer(account_id)
            subscriptions, _ = await self._read(customer)
            if subscriptions and not _is_subscribed(subscriptions):
                return None  # it was canceled before
            plan = current_of(subscriptions).price.plan
            unpaid = {one.id for one in subscriptions if one.is_live and not one.is_paid}
            if at_once is not None and unpaid != set(at_once):
                raise Conflict("changed_meanwhile", _CHANGED_MEANWHILE)
            async with self._database.transaction() as connection:
                await follow_stripe(connection, account_id)
            ending = [one for one in subscriptions if one.may_be_paid]
            failed = await self._end_each(customer, ending)
            note = _Note(by, "plan_canceled", plan) if len(failed) < len(ending) else None
            after, _ = await self._read(customer, note)
            if failed:
                raise failed[0]
            return max((one.ends_at for one in after if one.is_paid and one.ends_at is not None), default=None)

    async def resume(self, account_id: UUID, by: Actor | None = None) -> Resumed:
        """Let a subscription go on that was canceled for later; the plan that was to follow it does so again.

        Raises: Conflict.
        """
        async with lock_billing(self._database, account_id):
            customer, current = await self._current(account_id)
            if current.ends_at is not None:
                await self._stripe.cancel_at_period_end(current, wanted=False)
            after, _ = await self._read(customer, _Note(by, "plan_resumed", current.price.plan))
            present = next(one for one in after if one.id == current.id)
            price = (await self._stripe.list_prices()).get(present.next_plan or "")
            return resumed(current, present, price)

    async def take_back(self, account_id: UUID, by: Actor | None = None) -> None:
        """Give up what was begun and is not paid: an upgrade that waits for its bill, or a checkout.

        Raises: Conflict where there is nothing of the kind, and for what was paid just before.
        """
        async with lock_billing(self._database, account_id):
            customer = await self._present_customer(account_id)
            if customer is None:
                raise Conflict("nothing_to_take_back", _NOTHING_LEFT)
            subscriptions, _ = await self._read(customer)
            waiting = next((one for one in subscriptions if one.waits_for), None)
            if waiting is not None and waiting.waits_for is not None:
                await self._void(customer, waiting.waits_for, _Note(by, "payment_taken_back", waiting.pending_plan))
            elif not customer.checkout_id or customer.checkout_until is None or _is_subscribed(subscriptions):
                raise Conflict("nothing_to_take_back", _NOTHING_LEFT)
            else:
                await self._drop_checkout(customer, customer.checkout_id, _Note(by, "payment_taken_back", None))

    async def close(self, account_id: UUID) -> None:
        """End every subscription at once, before an account is deleted: nobody would be there to cancel it later.

        A checkout that is open somewhere can no more be paid on either.
        """
        async with lock_billing(self._database, account_id):
            customer = await self._present_customer(account_id)
            if customer is None:
                return
            if customer.checkout_id is not None:
                await self._expire(customer.checkout_id)
            await self._end_all(customer, (await self._read(customer))[0])

    async def _end_each(self, customer: Customer, subscriptions: Sequence[Subscription]) -> list[HourpostError]:
        failed = []
        for one in subscriptions:
            try:
                await self._end(customer, one)
            except HourpostError as error:
                failed.append(error)
        return failed

    async def _end(self, customer: Customer, current: Subscription) -> None:
        """With what is paid for; an upgrade that waits for its bill could be paid afterwards, and is taken back."""
        if current.waits_for is not None:
            await self._void(customer, current.waits_for)
        if not current.is_paid:
            await self._end_now(current)
        elif current.ends_at is None:
            if current.next_plan is not None:
                await self._stripe.remember_next(current, current.next_plan)
            await release(self._stripe, current)
            await self._stripe.cancel_at_period_end(current, wanted=True)

    async def _end_now(self, one: Subscription) -> None:
        await release(self._stripe, one)
        await self._stripe.cancel_now(one)

    async def _end_all(self, customer: Customer, subscriptions: Sequence[Subscription]) -> Entitlement:
        for one in subscriptions:
            if one.may_be_paid:
                if one.waits_for is not None:
                    await self._void(customer, one.waits_for)
                await self._end_now(one)
        return (await self._read(customer))[1]

    async def _tell_who(self, customer: Customer, account: Account) -> None:
        """The name and address of the account, where they have changed; it keeps nothing else from being done."""
        try:
            now = NewCustomer(account.public_id, account.name, account.email)
            await self._stripe.tell_customer(customer.id, now)
        except HourpostError as error:  # with the next reading
            log.warning("a customer could not be renamed", customer=customer.id, error=error.message, cause=error.cause)

    async def _customer(self, account_id: UUID) -> Customer | None:
        async with self._database.reading() as connection:
            return await find_customer(connection, account_id)

    async def _paying_customer(self, account_id: UUID) -> Customer:
        customer = await self._customer(account_id)
        if customer is None:
            raise Conflict("not_subscribed", "There is no subscription yet: choose a plan first.")
        return customer

    async def _current(self, account_id: UUID) -> tuple[Customer, Subscription]:
        customer = await self._paying_customer(account_id)
        subscriptions, _ = await self._read(customer)
        return customer, current_of(subscriptions)

    async def _read(
        self, customer: Customer, note: _Note | None = None
    ) -> tuple[tuple[Subscription, ...], Entitlement]:
        found = await ask(self._stripe, customer.id)
        async with self._database.transaction() as connection:
            if note is not None:
                await note.write(connection, self._clock.now())
            entitlement = await write_found(connection, customer.account_id, found, self._clock.now())
        return found.subscriptions, entitlement

    async def _new_customer(self, account: Account) -> Customer:
        async with self._database.reading() as connection:
            number = await count_customers(connection, account.id)
        new = NewCustomer(account.public_id, account.name, account.email, number)
        customer_id = await self._stripe.create_customer(new)
        async with self._database.transaction() as connection:
            await add_customer(connection, customer_id, account.id, self._clock.now())
        return Customer(customer_id, account.id, None, None, None)

    async def _present_customer(self, account_id: UUID) -> Customer | None:
        """The customer of the account, read anew; None where there is none, or none any more."""
        customer = await self._customer(account_id)
        if customer is None:
            return None
        try:
            await self._read(customer)
        except StripeUnknown as error:  # another Stripe, or its test mode: harmless while nothing is paid for there
            async with self._database.transaction() as connection:
                if (await get_entitlement(connection, account_id)).plan is not None:
                    raise StripeUnknown(_PAID_ELSEWHERE, cause=error.message) from error
                gone = Found(customer.id, False, (), ())
                await write_found(connection, account_id, gone, self._clock.now())
        return await self._customer(account_id)

    async def _alert(self, customer: Customer, kind: str, detail: str) -> None:
        async with self._database.transaction() as connection:
            await write_alert(connection, customer.account_id, kind, detail, self._clock.now())

    async def _price(self, plan: str) -> Price:
        price = (await self._stripe.list_prices()).get(plan)
        if price is None:
            raise Conflict("plan_not_sold", "This plan cannot be bought at the moment; please write to support.")
        return price

    async def _void(self, customer: Customer, invoice_id: str, note: _Note | None = None) -> None:
        try:
            await self._stripe.void_invoice(invoice_id)
        except StripeRefused:  # it was paid meanwhile, which the page is to tell
            await self._read(customer)
            raise
        subscriptions, _ = await self._read(customer, note)
        if any(one.pending_plan for one in subscriptions):
            log.warning("an upgrade outlived its bill", customer=customer.id, invoice=invoice_id)

    async def _drop_checkout(self, customer: Customer, checkout_id: str, note: _Note) -> None:
        await self._expire(checkout_id)
        subscriptions, _ = await self._read(customer)
        if _is_subscribed(subscriptions):
            raise Conflict("paid_already", "It was paid just before: your plan has begun.")
        async with self._database.transaction() as connection:
            await forget_checkout(connection, customer.id)
            await note.write(connection, self._clock.now())

    async def _expire(self, checkout_id: str) -> None:
        with suppress(StripeUnknown):
            await self._stripe.expire_checkout(checkout_id)
