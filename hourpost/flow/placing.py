"""Placing: what an order asks of the hour, and what each recipient becomes by the answer. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from hourpost.errors import LimitExceeded
from hourpost.flow.limit import seconds_to_next, to_moment
from hourpost.flow.store import Row, Stored
from hourpost.rules.delivery_state import State
from hourpost.rules.hour_tokens import Answer, Mode, Reading, Refusal, Taken, Want
from hourpost.rules.plans import BACKLOG_HOURS
from hourpost.rules.submission import OnLimit, Order, Placed, Submission, Usage

Suppressed = set[tuple[UUID, str]]


class Request(NamedTuple):
    """What one order asks of the hour: its wants, and which submissions (by index) each is for."""

    wants: tuple[Want, ...]
    shares: tuple[tuple[int, ...], ...]


def request_of(order: Order, suppressed: Suppressed, now: datetime) -> Request:
    """The tokens an order needs now: none for test mode, for what is scheduled, and for suppressed recipients."""
    counts = [_needed(order, submission, suppressed, now) for submission in order.submissions]
    rejecting = [i for i, one in enumerate(order.submissions) if counts[i] and one.on_limit is OnLimit.REJECT]
    queueing = [i for i, one in enumerate(order.submissions) if counts[i] and one.on_limit is OnLimit.QUEUE]
    wants = [Want(counts[i], Mode.SOME) for i in queueing]
    shares: list[tuple[int, ...]] = [(i,) for i in queueing]
    if order.tell is not None:  # each for itself
        wants = [Want(counts[i], Mode.ALL) for i in rejecting] + wants
        shares = [(i,) for i in rejecting] + shares
    elif rejecting:
        wants.insert(0, Want(sum(counts[i] for i in rejecting), Mode.ALL))
        shares.insert(0, tuple(rejecting))
    return Request(tuple(wants), tuple(shares))


def _needed(order: Order, submission: Submission, suppressed: Suppressed, now: datetime) -> int:
    if order.standing.test or _is_scheduled(submission, now):
        return 0
    if not suppressed:
        return len(submission.recipients)
    account = order.standing.account_id
    return sum((account, address.lower()) not in suppressed for address in submission.recipients)


def _is_scheduled(submission: Submission, now: datetime) -> bool:
    return submission.scheduled_at is not None and submission.scheduled_at > now


def held_answers(request: Request) -> tuple[Answer, ...]:
    """The answers while the hour cannot be asked: everything waits."""
    return tuple(Answer(0, want.tokens, 0) for want in request.wants)


def refusal_of(order: Order, answers: Sequence[Answer], taken: Taken | None) -> LimitExceeded | None:
    """The error of an order for which there is no room and no place to wait."""
    refused = next((answer for answer in answers if answer.refusal is not None), None)
    if refused is None or taken is None:
        return None
    wait = taken.retry_seconds(refused)
    limit = order.standing.limit
    if refused.refusal is Refusal.BACKLOG:
        room = limit * BACKLOG_HOURS
        message = f"The waiting room of this account, a day of the plan ({room} emails), has no room for this now."
        return LimitExceeded("backlog", message, retry_after_seconds=wait)
    message = f"{_why_not_now(taken.reading)}; there is room again in {wait} second{'s' if wait > 1 else ''}."
    return LimitExceeded("plan", message, retry_after_seconds=wait)


def _why_not_now(reading: Reading) -> str:
    """Why tokens that are wanted all at once are not there."""
    if not reading.remaining:
        return f"The plan's {reading.limit} emails an hour are used up"
    if reading.waiting:
        return f"Other emails of this account wait for its hour ({reading.waiting}), and go first"
    return f"The plan's {reading.limit} emails an hour are used up but for {reading.remaining}, and more were asked for"


class Placement(NamedTuple):
    """What an order became: rows to store, and what to tell its sender."""

    stored: tuple[Stored, ...]
    placed: tuple[Placed, ...]


def place(
    order: Order,
    request: Request,
    answers: Sequence[Answer],
    taken: Taken | None,
    suppressed: Suppressed,
    now: datetime,
) -> Placement:
    """Give each recipient its state: released as far as the tokens reach, then held, in the recipients' order."""
    released_at = to_moment(taken.taken_at_us) if taken else None
    by_submission: dict[int, tuple[int, Answer]] = {}
    for answer, share in zip(answers, request.shares, strict=True):
        for index in share:  # a share of several got all or nothing
            by_submission[index] = (answer.taken, answer)
    stored, placed = [], []
    for index, submission in enumerate(order.submissions):
        tokens, answer = by_submission.get(index, (0, Answer(0)))
        rows = _rows(order, submission, tokens, released_at, suppressed, now)
        stored.append(Stored(order, submission, _signing_domain(order, submission), rows))
        placed.append(_placed(submission, rows, answer, taken, now))
    return Placement(tuple(stored), tuple(placed))


def _rows(
    order: Order,
    submission: Submission,
    tokens: int,
    released_at: datetime | None,
    suppressed: Suppressed,
    now: datetime,
) -> tuple[Row, ...]:
    account, scheduled = order.standing.account_id, _is_scheduled(submission, now)
    rows = []
    for address in submission.recipients:
        if suppressed and (account, address.lower()) in suppressed:
            rows.append(Row(address, State.SUPPRESSED, now, None))
        elif scheduled:
            rows.append(Row(address, State.SCHEDULED, submission.scheduled_at or now, None))
        elif order.standing.test:
            rows.append(Row(address, State.QUEUED, now, None))
        elif tokens > 0:
            tokens -= 1
            rows.append(Row(address, State.QUEUED, now, released_at))
        else:
            rows.append(Row(address, State.HELD, now, None))
    return tuple(rows)


def _signing_domain(order: Order, submission: Submission) -> UUID | None:
    domain = order.standing.domains.get(submission.from_address.rpartition("@")[2].lower())
    return domain.id if domain is not None and domain.signs else None


def _placed(submission: Submission, rows: Sequence[Row], answer: Answer, taken: Taken | None, now: datetime) -> Placed:
    states = {row.state for row in rows}
    held_by, leaves_at = None, now if states & {State.QUEUED} else None
    if State.SCHEDULED in states:
        held_by, leaves_at = "schedule", submission.scheduled_at
    elif State.HELD in states:
        held_by = "plan"
        leaves_at = to_moment(taken.leaves_at_us(answer)[1]) if taken and answer.held and answer.position else None
    recipients = tuple((row.address, row.state) for row in rows)
    return Placed(
        submission.email_id, submission.message_id, recipients, held_by, leaves_at, expires_at=submission.expires_at
    )


def usage_of(taken: Taken) -> Usage:
    """The hour as the taker is told."""
    reading = taken.reading
    return Usage(
        limit=reading.limit,
        used=reading.used,
        remaining=reading.remaining,
        held=reading.waiting,
        resets_in_seconds=seconds_to_next(reading),
    )
