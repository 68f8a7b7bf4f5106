"""Endings: what of that which waited does not leave any more, looked at when its turn has come."""

from __future__ import annotations

from typing import Any

from hourpost.flow.senders import IS_HOMELESS, NOT_VERIFIED
from hourpost.rules.delivery_state import State

ENDING_COLUMNS = f"""e.expires_at <= :now AS over,
  EXISTS (SELECT 1 FROM suppressions s WHERE s.account_id = d.account_id AND s.address = lower(d.address))
    AS suppressed,
  {IS_HOMELESS} AS homeless"""  # noqa: S608  # words of ours
"""Of a delivery ``d`` and its email ``e``, in SQL: what ``ending_of`` asks of their row."""
REASONS = {
    State.SUPPRESSED: "the address was suppressed while it waited",
    State.EXPIRED: "its expiry has passed",
    State.FAILED: NOT_VERIFIED,
}


def ending_of(row: Any) -> State | None:
    """The state in which a delivery ends in place of leaving; None for most."""
    if row.suppressed:
        return State.SUPPRESSED
    if row.over:
        return State.EXPIRED
    return State.FAILED if row.homeless else None
