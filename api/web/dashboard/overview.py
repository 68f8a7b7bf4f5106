"""The first page after the log-in: what to do first, then what became of what was sent, and what waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from fastapi import APIRouter, Response

from api.web.bodies import extra_for
from api.web.dashboard.meter import read_meter
from api.web.dashboard.states import became_of
from api.web.dashboard.visitors import AnyMember, Sender
from api.web.v1.email_reading import read_email
from hourpost.accounts.progress import read_progress
from hourpost.emails.queries import Filters, list_emails
from hourpost.emails.tallies import read_tallies, read_waiting
from hourpost.errors import HourpostError
from hourpost.pages import Cursor
from hourpost.rules.ids import to_text
from hourpost.rules.roles import May
from hourpost.rules.submission import Order

router = APIRouter()


class Span(NamedTuple):
    """A stretch of time to look at, in steps that a chart can show."""

    words: str
    length: timedelta
    step: timedelta


SPANS = {
    "24h": Span("24 hours", timedelta(hours=24), timedelta(minutes=30)),
    "7d": Span("7 days", timedelta(days=7), timedelta(hours=3)),
    "30d": Span("30 days", timedelta(days=30), timedelta(hours=12)),
}
_SERIES = (("sent", "Sent", "accent"), ("delivered", "Delivered", "good"), ("deferred", "Deferred attempts", "warn"))
_BAD = ("bounced", "failed", "expired", "unknown")
_MANY = 100
"""Of fewer a share says nothing."""
_LATEST = 6
CAUSES = {
    "plan": ("Your hour is full", "They leave by themselves, oldest first, as room returns."),
    "schedule": ("Scheduled", "They leave at the moment that you chose."),
    "worker": ("On its way", "They have their room and are next to be handed to a relay."),
    "relay": ("A relay", "Our relay could not be asked or gave no answer; we try again."),
    "destination": ("The recipient's server", "It said “later”; we try again with growing pauses."),
    "account": ("Your account", "It is suspended or unpaid; nothing is lost, and nothing leaves."),
    "retry": ("The next attempt", "The last one found no answer."),
}
"""What deliveries wait for, in words."""
_ENDED = ("Your plan has ended", "They are kept, and leave by themselves once there is a plan again.")


@router.get("/app")
async def get_overview(visitor: AnyMember, span: str = "24h") -> Response:
    """The overview."""
    if not visitor.may(May.READ):
        return await visitor.page("overview.html", progress=None)
    chosen = span if span in SPANS else "24h"
    account_id = visitor.account.id
    since, until = _bounds(visitor.now, SPANS[chosen])
    async with visitor.parts.database.reading() as connection:
        progress = await read_progress(connection, account_id)
        counts = await read_tallies(connection, account_id, since, until, SPANS[chosen].step)
        waiting = await read_waiting(connection, account_id)
        latest = await list_emails(connection, account_id, Filters(), Cursor(_LATEST))
    is_held = any(one.cause == "plan" for one in waiting)
    return await visitor.page(
        "overview.html",
        block="live",
        progress=progress,
        spans=SPANS,
        span=chosen,
        chart=_chart(counts, since, SPANS[chosen]),
        waiting=waiting,
        hour=await read_meter(visitor.parts, visitor.account) if is_held else None,
        causes=CAUSES if visitor.account.limit else CAUSES | {"plan": _ENDED},
        latest=latest.data,
    )


@router.post("/app/test-email")
async def post_test_email(visitor: Sender) -> Response:
    """Send a first email to the person who asks, from the first verified domain: all the way, as any other."""
    standing = await visitor.parts.standings.by_account(visitor.account.id)
    domain = next(iter(standing.domains), None)
    if domain is None:
        return visitor.redirect("/app/domains", "Verify a domain first: a test must come from somewhere.", "warn")
    body = {
        "from": f"Hourpost <hello@{domain}>",
        "to": visitor.user.email,
        "subject": "It works: a test from Hourpost",
        "text": f"This email came from {domain} by way of Hourpost.\n\nSee what became of it: "
        f"{visitor.parts.settings.public_url}/app/emails\n",
    }
    try:
        submission = read_email(body, standing, visitor.now, extra=extra_for(visitor.request))
        receipt = await visitor.parts.intake.accept(Order(standing, (submission,)))
    except HourpostError as error:
        return visitor.redirect("/app", error.message, "bad")
    path = f"/app/emails/{to_text('em', submission.email_id)}"
    words, tone = became_of(receipt.placed[0])
    return visitor.redirect(path, f"The test to {visitor.user.email} {words}.", tone)


def _bounds(now: datetime, span: Span) -> tuple[datetime, datetime]:
    """The whole steps that end with the one that is running."""
    seconds = int(span.step.total_seconds())
    until = datetime.fromtimestamp((int(now.timestamp()) // seconds + 1) * seconds, now.tzinfo)
    return until - span.length, until


def _chart(counts: dict[str, list[int]], since: datetime, span: Span) -> dict[str, Any]:
    steps = span.length // span.step
    nothing = [0] * steps
    bad = [sum(values) for values in zip(*(counts.get(kind, nothing) for kind in _BAD), strict=True)]
    series = [{"label": label, "tone": tone, "values": counts.get(kind, nothing)} for kind, label, tone in _SERIES]
    series.append({"label": "Bounced or failed", "tone": "bad", "values": bad})
    series.append({"label": "Called spam", "tone": "info", "values": counts.get("complained", nothing)})
    return {
        "times": [int((since + number * span.step).timestamp()) for number in range(steps)],
        "series": series,
        "totals": _totals(series),
        "rows": _rows(series, since, span),
    }


class Total(NamedTuple):
    """A number of the whole stretch; ``share`` is its percentage where receivers judge a sender by that, else None.

    ``is_high`` where it is so much that they begin to refuse mail.
    """

    words: str
    number: int
    share: float | None = None
    is_high: bool = False


def _totals(series: list[dict[str, Any]]) -> list[Total]:
    sent, delivered, deferred, bad, spam = (Total(one["label"], sum(one["values"])) for one in series)
    return [sent, delivered, deferred, _judged(bad, sent.number + bad.number, 5), _judged(spam, sent.number, 0.3)]


def _judged(total: Total, of: int, high: float) -> Total:
    if of < _MANY:
        return total
    share = min(100.0, 100 * total.number / of)
    return total._replace(share=share, is_high=share >= high)


def _rows(series: list[dict[str, Any]], since: datetime, span: Span) -> list[tuple[datetime, list[int]]]:
    """The same numbers for a table, without the steps in which nothing was."""
    rows = []
    for number in range(span.length // span.step):
        values = [one["values"][number] for one in series]
        if any(values):
            rows.append((since + number * span.step, values))
    return rows
