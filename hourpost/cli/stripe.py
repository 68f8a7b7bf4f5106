"""``hourpost stripe``: the plans at Stripe, and what Stripe says of an account."""

from __future__ import annotations

from typing import Any

import typer

from hourpost.accounts.queries import get_named_account
from hourpost.billing.queries import list_alerts
from hourpost.billing.till import Till, plan_url
from hourpost.cli.desk import Desk, at_desk
from hourpost.cli.output import AsJson, OfAccount, print_list, print_object
from hourpost.errors import Refused
from hourpost.gateways.stripe import Stripe, open_stripe
from hourpost.rules.ids import to_text
from hourpost.rules.plans import PLANS
from hourpost.rules.subscriptions import lookup_key

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="What is paid by Stripe: the plans on sale there, and what it says of an account.",
)


@app.command("sync-plans")
def sync_plans(as_json: AsJson = False) -> None:
    """Make the products and prices of the plans at Stripe, or bring them up to date; run it as often as you like.

    Prices are found by their lookup keys. When the price of a plan changes, a new one takes over the key; who
    subscribed at the old one keeps it.
    """

    async def work(desk: Desk) -> list[dict[str, Any]]:
        stripe = _stripe(desk)
        try:
            made = [
                await stripe.put_product(
                    plan.name,
                    f"Hourpost {plan.title}",
                    f"{plan.hourly_limit:,} emails in any 60 minutes.",
                    plan.price_cents,
                )
                for plan in PLANS.values()
            ]
        finally:
            await stripe.aclose()
        return [
            {"plan": plan, "product": one.id, "price": one.price.id, "lookup_key": lookup_key(plan)}
            for plan, one in zip(PLANS, made, strict=True)
        ]

    columns = ("plan", "product", "price", "lookup_key")
    print_list(at_desk(work), columns, as_json=as_json, empty="There are no plans.")


@app.command()
def sync(account: OfAccount, as_json: AsJson = False) -> None:
    """Read Stripe anew for one account and write what it says, as a webhook would.

    Example: hourpost stripe sync --account Acme
    """

    async def work(desk: Desk) -> dict[str, Any]:
        stripe = _stripe(desk)
        try:
            async with desk.database.reading() as connection:
                found = await get_named_account(connection, account)
            till = Till(desk.database, stripe, desk.clock, plan_url(desk.settings))
            entitlement = await till.sync(found.id)
        finally:
            await stripe.aclose()
        if entitlement is None:
            raise Refused("This account is no customer at Stripe yet.")
        return {
            "account": found.public_id,
            "plan": entitlement.plan,
            "status": entitlement.status,
            "ends_at": entitlement.ends_at,
            "subscription": entitlement.subscription_id,
        }

    print_object(at_desk(work), as_json=as_json)


@app.command()
def alerts(as_json: AsJson = False) -> None:
    """List what of billing somebody ought to look at: prices and customers that nobody knows, disputes, refunds due."""

    async def work(desk: Desk) -> list[dict[str, Any]]:
        async with desk.database.reading() as connection:
            found = await list_alerts(connection)
        return [
            {
                "account": to_text("acc", one.account_id),
                "kind": one.kind,
                "detail": one.detail,
                "created_at": one.created_at,
            }
            for one in found
        ]

    columns = ("account", "kind", "detail", "created_at")
    print_list(at_desk(work), columns, as_json=as_json, empty="There is nothing to look at.")


def _stripe(desk: Desk) -> Stripe:
    stripe = open_stripe(desk.settings)
    if stripe is None:
        raise Refused("HOURPOST_STRIPE_SECRET_KEY is not set: plans are switched free of charge.")
    return stripe
