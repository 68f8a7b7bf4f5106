"""Asking Stripe for all of one customer, and making up for what was begun there and not ended."""

from __future__ import annotations

import asyncio

import structlog

from hourpost.billing.findings import Found
from hourpost.gateways.stripe import Stripe, StripeRefused
from hourpost.rules.subscriptions import Subscription

log = structlog.get_logger()


async def ask(stripe: Stripe, customer_id: str) -> Found:
    """All that Stripe says of a customer, once it is tidy there. Raises: StripeUnknown, ServiceUnavailable."""
    found = await _ask_once(stripe, customer_id)
    return await _ask_once(stripe, customer_id) if await _tidy(stripe, found) else found


async def release(stripe: Stripe, subscription: Subscription) -> None:
    """Schedule nothing for a subscription any more."""
    if subscription.schedule_id is not None:
        await stripe.release_schedule(subscription.schedule_id)


async def _ask_once(stripe: Stripe, customer_id: str) -> Found:
    """Stripe is far away, so all at once; where one fails, none goes on beyond the lock of who asks."""
    try:
        async with asyncio.TaskGroup() as together:
            exists = together.create_task(stripe.customer_exists(customer_id))
            subscriptions = together.create_task(stripe.list_subscriptions(customer_id))
            invoices = together.create_task(stripe.list_invoices(customer_id))
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
    return Found(customer_id, exists.result(), subscriptions.result() if exists.result() else (), invoices.result())


async def _tidy(stripe: Stripe, found: Found) -> bool:
    """Do what is left to do, and say whether there was anything.

    It is looked for at each reading, so that it is made up for where Stripe was away in between. What Stripe refuses
    keeps nothing else from being read: what is still so in the next answer is an alert.
    """
    overruled = [one for one in found.subscriptions if one.is_overruled]
    for one in overruled:
        await release(stripe, one)
    for bill in found.bills_left:
        try:
            await stripe.void_invoice(bill.id)
        except StripeRefused as error:  # it may have been paid meanwhile
            log.warning("a bill could not be voided", invoice=bill.id, error=error.message, cause=error.cause)
    for one in found.going_on:
        try:
            await _follow(stripe, one)
        except StripeRefused as error:
            log.warning("a plan could not follow", subscription=one.id, error=error.message, cause=error.cause)
    return bool(overruled or found.bills_left or found.going_on)


async def _follow(stripe: Stripe, one: Subscription) -> None:
    """Let the plan follow again that was chosen to before the subscription was canceled, while it is sold."""
    price = (await stripe.list_prices()).get(one.resumes_to or "")
    if price is not None and one.next_plan is None and price.plan != one.price.plan:
        await stripe.schedule_price(one, price.id)
    await stripe.remember_next(one, None)
