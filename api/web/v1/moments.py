"""Moments in a query that looks back: how they are written, and that the first comes before the last."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from hourpost.rules.moments import parse_past_moment


def _to_moment(text: object) -> object:
    return parse_past_moment(text, now=datetime.now(UTC)) if isinstance(text, str) and text else text or None


def check_end(until: datetime | None, found: ValidationInfo) -> datetime | None:
    """Pass an end behind its beginning; for the field ``until``, which follows ``since``. Raises: ValueError."""
    since = found.data.get("since")
    if until is not None and since is not None and until <= since:
        raise ValueError("must be later than `since`")
    return until


PastMoment = Annotated[
    datetime | None,
    BeforeValidator(_to_moment),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
]
"""ISO 8601, a day, ``2 days ago``, ``yesterday``; in UTC."""
