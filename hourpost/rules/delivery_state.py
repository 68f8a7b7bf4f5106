"""The life of a delivery: its states and the only ways from one to another."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a delivery stands."""

    SCHEDULED = "scheduled"  # waits for the moment its sender chose
    HELD = "held"  # waits for room in the hour
    QUEUED = "queued"  # released: a worker takes it next
    SENDING = "sending"  # a worker holds the lease
    DEFERRED = "deferred"  # a temporary answer: waits for its next attempt
    SENT = "sent"  # the relay took it
    DELIVERED = "delivered"  # in the recipient's mailbox, as far as we were told
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELED = "canceled"
    FAILED = "failed"  # parked: it stopped its worker three times, or cannot be sent at all
    UNKNOWN = "unknown"  # parked: the answer was lost after the final dot, and the account asked for at most once


S = State
TRANSITIONS: dict[State, frozenset[State]] = {
    S.SCHEDULED: frozenset({S.HELD, S.QUEUED, S.CANCELED, S.SUPPRESSED, S.EXPIRED, S.FAILED}),
    S.HELD: frozenset({S.QUEUED, S.CANCELED, S.SUPPRESSED, S.EXPIRED, S.SCHEDULED, S.FAILED}),
    S.QUEUED: frozenset({S.SENDING, S.CANCELED, S.EXPIRED, S.SUPPRESSED}),
    S.SENDING: frozenset(
        {S.SENT, S.DEFERRED, S.BOUNCED, S.EXPIRED, S.FAILED, S.UNKNOWN, S.QUEUED, S.DELIVERED, S.SUPPRESSED}
    ),
    S.DEFERRED: frozenset({S.SENDING, S.CANCELED, S.EXPIRED}),
    S.SENT: frozenset({S.DELIVERED, S.BOUNCED}),
    S.UNKNOWN: frozenset({S.DEFERRED, S.CANCELED, S.SENT, S.DELIVERED, S.BOUNCED}),
    S.FAILED: frozenset({S.DEFERRED, S.CANCELED}),
    S.DELIVERED: frozenset({S.BOUNCED}),
    S.BOUNCED: frozenset(),
    S.SUPPRESSED: frozenset(),
    S.EXPIRED: frozenset(),
    S.CANCELED: frozenset(),
}

INITIAL = frozenset({S.SCHEDULED, S.HELD, S.QUEUED, S.SUPPRESSED})
WAITING = frozenset({S.SCHEDULED, S.HELD, S.QUEUED, S.SENDING, S.DEFERRED})
CANCELABLE = frozenset({S.SCHEDULED, S.HELD, S.QUEUED, S.DEFERRED})
ENDED = frozenset(State) - WAITING


def may_become(before: State, after: State) -> bool:
    """Whether a delivery may go from ``before`` to ``after``."""
    return after in TRANSITIONS[before]
