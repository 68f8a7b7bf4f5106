"""One word for an email with many deliveries: what still waits first, then what went wrong, then what went well."""

from __future__ import annotations

from collections.abc import Iterable

from hourpost.rules.delivery_state import State

_ORDER = (
    State.SCHEDULED,
    State.HELD,
    State.QUEUED,
    State.SENDING,
    State.DEFERRED,
    State.UNKNOWN,
    State.FAILED,
    State.BOUNCED,
    State.EXPIRED,
    State.SUPPRESSED,
    State.CANCELED,
    State.SENT,
    State.DELIVERED,
)
_RANK = {state: rank for rank, state in enumerate(_ORDER)}

_LAST_EVENTS = {
    State.HELD: "queued",
    State.SENDING: "queued",
    State.DEFERRED: "delivery_delayed",
    State.UNKNOWN: "delivery_delayed",
    State.EXPIRED: "failed",
}


def status_of(states: Iterable[State]) -> State:
    """The state that stands for all; ``queued`` for an email without deliveries."""
    return min(states, key=_RANK.__getitem__, default=State.QUEUED)


def last_event_of(status: State, *, is_complained_of: bool = False) -> str:
    """The status in the words of clients written for Resend, who are told of a complaint about what has arrived."""
    if is_complained_of and status in (State.SENT, State.DELIVERED):
        return "complained"
    return _LAST_EVENTS.get(status, status.value)
