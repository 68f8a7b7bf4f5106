"""What became of a sent email, as keywords on its copy in the Sent folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hourpost.rules.delivery_state import WAITING, State

DELIVERED, BOUNCED, DEFERRED, CANCELED = "$Delivered", "$Bounced", "$Deferred", "$Canceled"
KEYWORDS = (DELIVERED, BOUNCED, DEFERRED, CANCELED)

_ARRIVED = frozenset({State.SENT, State.DELIVERED})
_LOST = frozenset({State.BOUNCED, State.SUPPRESSED, State.EXPIRED, State.FAILED})


def outcome_of(states: Iterable[State]) -> tuple[str, ...]:
    """The keywords for the states of all its deliveries: one that was lost shows, whatever became of the others."""
    known = frozenset(states)
    found = []
    if known and known <= _ARRIVED:
        found.append(DELIVERED)
    if known & _LOST:
        found.append(BOUNCED)
    if State.DEFERRED in known:
        found.append(DEFERRED)
    if State.CANCELED in known:
        found.append(CANCELED)
    return tuple(found)


def states_behind(keyword: str, states: Collection[State]) -> list[State]:
    """What a keyword of ``outcome_of`` stands for among the states: all that is lost, or the least of what arrived."""
    if keyword == BOUNCED:
        return sorted(_LOST.intersection(states))
    if keyword == DELIVERED:
        return [state for state in (State.SENT, State.DELIVERED) if state in states][:1]
    return []


def is_settled(states: Iterable[State]) -> bool:
    """Whether nothing of it waits any more."""
    return not WAITING.intersection(states)
