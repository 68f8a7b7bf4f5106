"""Verdict: what a relay's answer makes of a delivery. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from hourpost.flow.claim import Claimed, Recipient
from hourpost.flow.senders import NOT_VERIFIED
from hourpost.gateways.relays import Outcome, Postponed, Stage
from hourpost.rules.backoff import GIVE_UP_AFTER, next_attempt_delay
from hourpost.rules.delivery_state import State
from hourpost.rules.line_ends import ContentError
from hourpost.rules.moments import write_moment
from hourpost.rules.rehearsal import Ending, find_ending
from hourpost.rules.smtp_replies import ReplyClass, classify, is_bad_address

_WITHDRAWN_SECONDS = 5
_STOPPED_SECONDS = 600
_REPLY_CHARACTERS = 1000
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Try(NamedTuple):
    """What is kept of one attempt."""

    relay: str | None
    stage: str | None
    code: int | None
    enhanced: str | None
    reply: str
    tls: str | None
    seconds: float


class Verdict(NamedTuple):
    """A delivery's next state. ``attempt`` is None where nothing was tried, so that it does not count."""

    email_id: UUID
    position: int
    state: State
    due_at: datetime
    event: str
    waits_for: str | None = None
    attempt: Try | None = None
    detail: Mapping[str, Any] = _NOTHING
    is_quiet: bool = False  # the state says nothing new, so no event is written
    suppresses: str | None = None  # the address to suppress
    is_unused: bool = False  # its token comes back, unless it may have left at an earlier try


def of_outcome(email: Claimed, recipient: Recipient, outcome: Outcome, now: datetime, jitter: float) -> Verdict:
    """The verdict after a relay was asked for this recipient."""
    attempt = Try(
        outcome.relay,
        outcome.stage,
        outcome.code,
        outcome.enhanced,
        outcome.text[:_REPLY_CHARACTERS].replace("\x00", ""),
        outcome.tls_version,
        outcome.seconds,
    )
    if outcome.withdrawn:
        return of_withdrawn(email, recipient, now)
    if outcome.answer_lost:
        return _lost(email, recipient, attempt, now, jitter)
    kind = classify(outcome.code, outcome.enhanced, outcome.text, outcome.stage)
    if kind is ReplyClass.ACCEPTED and outcome.is_accepted:
        detail = {"reports": "relay"} if outcome.reports and email.wishes else _NOTHING
        return Verdict(email.email_id, recipient.position, State.SENT, now, "sent", attempt=attempt, detail=detail)
    if kind is ReplyClass.PERMANENT:
        is_alone = len(email.recipients) == 1
        bad = is_bad_address(outcome.code, outcome.enhanced, outcome.text, outcome.stage, is_alone=is_alone)
        address = recipient.address.lower() if bad else None
        return Verdict(
            email.email_id, recipient.position, State.BOUNCED, now, "bounced", attempt=attempt, suppresses=address
        )
    is_relay = kind is ReplyClass.RELAY_FAULT or outcome.code is None or outcome.stage is Stage.MAIL
    waits_for = "relay" if is_relay else "destination"
    return _again(email, recipient, attempt, now, next_attempt_delay(recipient.attempts, jitter), waits_for)


def delivered(email: Claimed, recipient: Recipient, seconds: float, now: datetime) -> Verdict:
    """The verdict when it lies in a mailbox of ours."""
    attempt = Try("mailbox", "dot", 250, "2.1.5", "stored in the mailbox", None, seconds)
    return Verdict(email.email_id, recipient.position, State.DELIVERED, now, "delivered", attempt=attempt)


def of_refused(email: Claimed, recipient: Recipient, attempt: Try, now: datetime, jitter: float) -> Verdict:
    """The verdict when a mailbox of ours could not take it, which may change."""
    return _again(email, recipient, attempt, now, next_attempt_delay(recipient.attempts, jitter), "destination")


def refused(email: Claimed, recipient: Recipient, error: ContentError, now: datetime) -> Verdict:
    """The verdict for what no mailbox of ours takes."""
    attempt = Try("mailbox", "dot", error.code, error.enhanced, error.text, None, 0.0)
    return Verdict(email.email_id, recipient.position, State.BOUNCED, now, "bounced", attempt=attempt)


def of_withdrawn(email: Claimed, recipient: Recipient, now: datetime) -> Verdict:
    """The verdict when its lease was lost before it was handed over."""
    return _wait(email, recipient, now + timedelta(seconds=_WITHDRAWN_SECONDS), "withdrawn before the final dot")


def _again(
    email: Claimed, recipient: Recipient, attempt: Try, now: datetime, delay: timedelta, waits_for: str
) -> Verdict:
    last_at = email.leaves_at + GIVE_UP_AFTER
    if now >= last_at:
        detail = {"reason": "no relay took it within 72 hours"}
        return Verdict(
            email.email_id, recipient.position, State.EXPIRED, now, "expired", attempt=attempt, detail=detail
        )
    due_at = min(now + delay, last_at)
    detail = {"next_attempt_at": write_moment(due_at)}
    return Verdict(email.email_id, recipient.position, State.DEFERRED, due_at, "deferred", waits_for, attempt, detail)


def _lost(email: Claimed, recipient: Recipient, attempt: Try, now: datetime, jitter: float) -> Verdict:
    if email.parks_unknown or now > email.leaves_at + GIVE_UP_AFTER:
        return Verdict(email.email_id, recipient.position, State.UNKNOWN, now, "unknown", attempt=attempt)
    due_at = now + next_attempt_delay(recipient.attempts, jitter, answer_lost=True)
    detail = {"next_attempt_at": write_moment(due_at), "reason": "the answer to the final dot was lost"}
    return Verdict(
        email.email_id, recipient.position, State.DEFERRED, due_at, "unknown", "destination", attempt, detail
    )


def of_postponed(email: Claimed, recipient: Recipient, postponed: Postponed, now: datetime, jitter: float) -> Verdict:
    """The verdict when no relay could be asked."""
    if now > email.leaves_at + GIVE_UP_AFTER:
        return expired(email, recipient, now, "no relay could be reached within 72 hours")
    due_at = now + timedelta(seconds=postponed.seconds * (1 + jitter))
    return _wait(email, recipient, due_at, postponed.reason, postponed.held_by)


def stopped(email: Claimed, recipient: Recipient, now: datetime) -> Verdict:
    """The verdict while the account may not hand over: it is suspended or has no plan. It waits."""
    reason = "the account is suspended" if email.is_suspended else "the account has no plan"
    return _wait(email, recipient, now + timedelta(seconds=_STOPPED_SECONDS), reason, "account")


def _wait(email: Claimed, recipient: Recipient, due_at: datetime, reason: str, waits_for: str | None = None) -> Verdict:
    return Verdict(
        email.email_id,
        recipient.position,
        State.DEFERRED,
        due_at,
        "deferred",
        waits_for,
        detail={"reason": reason, "next_attempt_at": write_moment(due_at)},
        is_quiet=waits_for is not None and waits_for == recipient.waits_for,
    )


def expired(email: Claimed, recipient: Recipient, now: datetime, reason: str = "its expiry has passed") -> Verdict:
    """The verdict for what is not wanted any more."""
    return Verdict(email.email_id, recipient.position, State.EXPIRED, now, "expired", detail={"reason": reason})


def suppressed(email: Claimed, recipient: Recipient, now: datetime) -> Verdict:
    """The verdict for an address that was suppressed while the delivery waited."""
    detail = {"reason": "the address was suppressed while it waited"}
    return Verdict(
        email.email_id, recipient.position, State.SUPPRESSED, now, "suppressed", detail=detail, is_unused=True
    )


def without_trying(email: Claimed, now: datetime, jitter: float) -> list[Verdict] | None:
    """The verdicts for what is not handed over now, whatever it holds; None for most."""
    if email.expires_at is not None and email.expires_at <= now:
        return [expired(email, one, now) for one in email.recipients]
    if email.is_homeless:
        return [failed(email, one, now, NOT_VERIFIED)._replace(is_unused=True) for one in email.recipients]
    if email.test:
        return [rehearsed(email, one, now, jitter) for one in email.recipients]
    if email.is_suspended or email.is_unpaid:
        return [stopped(email, one, now) for one in email.recipients]
    return None


def failed(email: Claimed, recipient: Recipient, now: datetime, reason: str) -> Verdict:
    """The verdict for what cannot be sent at all."""
    return Verdict(email.email_id, recipient.position, State.FAILED, now, "failed", detail={"reason": reason})


def rehearsed(email: Claimed, recipient: Recipient, now: datetime, jitter: float = 0.0) -> Verdict:
    """The verdict of test mode: everything but the sending was done. Some addresses ask for another end than sent."""
    ending, detail = find_ending(recipient.address), {"test": True}
    sent = Verdict(email.email_id, recipient.position, State.SENT, now, "sent", attempt=_rehearsal(250), detail=detail)
    if ending is Ending.DELIVERED:
        return sent._replace(state=State.DELIVERED, event="delivered")
    if ending is Ending.COMPLAINED:
        return sent._replace(event="complained")
    if ending is Ending.BOUNCED:  # and nobody is suppressed: that would stop mail which is no test
        return sent._replace(state=State.BOUNCED, event="bounced", attempt=_rehearsal(550))
    if ending is Ending.SUPPRESSED:
        return sent._replace(state=State.SUPPRESSED, event="suppressed", attempt=None)
    if ending is Ending.DEFERRED and recipient.attempts == 1:
        delay = next_attempt_delay(recipient.attempts, jitter)
        return _again(email, recipient, _rehearsal(450), now, delay, "destination")
    return sent


_REHEARSALS = {
    250: ("2.0.0", "Test mode: nothing left."),
    450: ("4.2.1", "Test mode: the mailbox is busy, the next attempt finds it free."),
    550: ("5.1.1", "Test mode: no such user here."),
}


def _rehearsal(code: int) -> Try:
    enhanced, reply = _REHEARSALS[code]
    return Try("test", "dot", code, enhanced, reply, None, 0.0)
