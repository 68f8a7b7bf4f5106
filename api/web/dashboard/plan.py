"""Plan and usage: the plan, changing it with its price shown before, the busiest hours, invoices, the way of paying."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from api.web.dashboard.filters import money
from api.web.dashboard.forms import Form, read_form
from api.web.dashboard.plan_view import read_plan
from api.web.dashboard.visitors import SEE_OTHER, AnyMember, Biller, Visitor
from hourpost.accounts import audit
from hourpost.accounts.changes import switch_plan
from hourpost.accounts.queries import get_account
from hourpost.billing.changes import overrule
from hourpost.billing.till import Till
from hourpost.errors import HourpostError, NotFound
from hourpost.rules.plans import PLANS, Plan

router = APIRouter()

PAGE = "/app/plan"


@router.get(PAGE)
async def get_plan(visitor: AnyMember) -> Response:
    """The plan, what it is used for, and what it costs."""
    async with visitor.parts.database.reading() as connection:
        view = await read_plan(connection, visitor.account, visitor.now, is_free=visitor.parts.till is None)
    return await visitor.page("plan/show.html", view=view, nonce=secrets.token_urlsafe(12))


@router.post(f"{PAGE}/checkout")
async def post_checkout(request: Request, visitor: Biller) -> Response:
    """Go to Stripe and pay for a first plan."""
    form = await read_form(request)
    plan = _plan(form.get("to"))
    try:
        nonce = form.get("nonce", "")[:64]
        url = await _till(visitor).check_out(visitor.account, plan.name, nonce, visitor.actor())
    except HourpostError as error:
        return _sorry(visitor, error)
    return RedirectResponse(url, SEE_OTHER)


@router.post(f"{PAGE}/take-back")
async def post_take_back(visitor: Biller) -> Response:
    """Give up an upgrade that waits for its payment, or a checkout that is open."""
    try:
        await _till(visitor).take_back(visitor.account.id, visitor.actor())
    except HourpostError as error:
        return _sorry(visitor, error)
    return visitor.redirect(PAGE, "It is taken back: nothing was charged, and everything stays as it is.")


@router.get(f"{PAGE}/return")
async def get_return(visitor: Biller, session_id: str = "") -> Response:
    """Come back from Stripe: what was paid there counts at once, whether or not its webhook is here already."""
    till = _till(visitor)
    try:
        if not session_id:
            await till.sync(visitor.account.id)
            return visitor.redirect(PAGE)
        entitlement = await till.come_back(visitor.account.id, session_id)
    except HourpostError as error:
        return _sorry(visitor, error)
    if entitlement.plan is None:
        return visitor.redirect(PAGE, "The payment is on its way; the plan begins as soon as it arrives.", "info")
    return visitor.redirect(PAGE, f"Welcome to {PLANS[entitlement.plan].title}. What waited leaves now.")


@router.post(f"{PAGE}/portal")
async def post_portal(visitor: Biller) -> Response:
    """Go to Stripe's page for cards and invoices."""
    try:
        return RedirectResponse(await _till(visitor).portal(visitor.account.id), SEE_OTHER)
    except HourpostError as error:
        return _sorry(visitor, error)


@router.get(f"{PAGE}/change")
async def get_change(visitor: Biller, to: str = "") -> Response:
    """What a change would cost and when it would begin."""
    plan = _plan(to)
    try:
        move = await _till(visitor).preview(visitor.account.id, plan.name)
    except HourpostError as error:
        return _sorry(visitor, error)
    return await visitor.page("plan/change.html", move=move, plan=plan)


@router.post(f"{PAGE}/change")
async def post_change(request: Request, visitor: Biller) -> Response:
    """Change the plan: for nothing where plans cost nothing, else as it was shown before."""
    form = await read_form(request)
    plan = _plan(form.get("to"))
    till = visitor.parts.till
    if till is None:
        async with visitor.parts.database.transaction() as connection:
            await overrule(connection, visitor.account.id, visitor.now)
            await switch_plan(connection, visitor.account.id, plan.name)
            await audit.note(connection, visitor.actor(), "plan_changed", visitor.now, plan=plan.name)
        return visitor.redirect(PAGE, f"Your plan is {plan.title} now. What waits was paced anew.")
    try:
        move = await till.change(visitor.account.id, plan.name, _moment(form), visitor.actor())
    except HourpostError as error:
        return _sorry(visitor, error)
    return await _changed(visitor, move.kind, plan)


@router.post(f"{PAGE}/cancel")
async def post_cancel(request: Request, visitor: Biller) -> Response:
    """Let the plan end with what is paid for; where nothing is, at once. Only as it was shown before."""
    at_once = (await read_form(request)).get("at_once", "").split()
    try:
        ends_at = await _till(visitor).cancel(visitor.account.id, visitor.actor(), at_once)
    except HourpostError as error:
        return _sorry(visitor, error)
    if ends_at:
        return visitor.redirect(PAGE, "The plan is canceled. What is paid for goes on until the paid time ends.")
    async with visitor.parts.database.reading() as connection:
        plan = (await get_account(connection, visitor.account.id)).plan
    words = "It has ended, and nothing is charged any more."
    return visitor.redirect(PAGE, f"{'The subscription' if plan else 'The plan'} is canceled. {words}")


@router.post(f"{PAGE}/resume")
async def post_resume(visitor: Biller) -> Response:
    """Let the plan go on after all."""
    try:
        resumed = await _till(visitor).resume(visitor.account.id, visitor.actor())
    except HourpostError as error:
        return _sorry(visitor, error)
    words = "The plan goes on."
    if resumed.next_plan is not None:
        cost = f" at {money(resumed.price_cents)} a month" if resumed.price_cents is not None else ""
        words += f" {PLANS[resumed.next_plan].title} begins{cost} when the paid time ends, as you chose before."
    elif resumed.dropped_plan is not None:
        words += f" {PLANS[resumed.dropped_plan].title}, which was to follow, is not sold any more and does not."
    return visitor.redirect(PAGE, words)


async def _changed(visitor: Visitor, kind: str, plan: Plan) -> Response:
    """Say what came of a change: an upgrade may still want its payment confirmed."""
    if kind == "same":
        return visitor.redirect(PAGE, f"You stay with {plan.title}.")
    if kind == "downgrade":
        return visitor.redirect(PAGE, f"{plan.title} begins when the paid time ends.")
    async with visitor.parts.database.reading() as connection:
        view = await read_plan(connection, visitor.account, visitor.now, is_free=False)
    if view.current is not None and view.current.plan == plan.name:
        return visitor.redirect(PAGE, f"Your plan is {plan.title} now. What waits was paced anew.")
    return visitor.redirect(PAGE, f"{plan.title} begins as soon as its payment is confirmed.", "warn")


def _plan(name: str | None) -> Plan:
    plan = PLANS.get(name or "")
    if plan is None:
        raise NotFound("There is no such plan.")
    return plan


def _till(visitor: Visitor) -> Till:
    if visitor.parts.till is None:
        raise NotFound("Nothing is paid here: plans are switched free of charge.")
    return visitor.parts.till


def _sorry(visitor: Visitor, error: HourpostError) -> Response:
    """Nothing was changed; the page of the plan says why."""
    if isinstance(error, NotFound):
        raise error
    return visitor.redirect(PAGE, error.message, "bad")


def _moment(form: Form) -> datetime:
    """The moment that a preview was made for; what is no moment is too long ago."""
    text = form.get("at", "")
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
    return datetime.fromtimestamp(seconds, UTC)
