"""When a submitted message may leave: the headers by which it says so to us alone, with the words that REST takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hourpost.rules.canonical import ContentError
from hourpost.rules.header_text import decode_words
from hourpost.rules.headers import unfold
from hourpost.rules.moments import MomentError, parse_future_moment
from hourpost.rules.submission import OnLimit

ON_LIMIT, SCHEDULED_AT, EXPIRES_AT = "X-On-Limit", "X-Scheduled-At", "X-Expires-At"
HEADERS = (ON_LIMIT, SCHEDULED_AT, EXPIRES_AT)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Not before ``scheduled_at``, never after ``expires_at``; ``on_limit`` is for an hour without room."""

    on_limit: OnLimit = OnLimit.QUEUE
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None


NO_WISHES = Wishes()


def read_wishes(fields: Iterable[tuple[bytes, bytes]], now: datetime) -> Wishes:
    """What these headers ask for, each of which is one of ``HEADERS``. Raises: ContentError."""
    said: dict[str, str] = {}
    for name, value in fields:
        lower = name.decode("ascii").lower()
        if lower in said:
            raise ContentError(f"the message has two {_shown(lower)} headers")
        said[lower] = decode_words(unfold(value).decode("utf-8", "replace")).strip(" \t")
    scheduled_at, expires_at = _moment(SCHEDULED_AT, said, now), _moment(EXPIRES_AT, said, now)
    if scheduled_at is not None and expires_at is not None and expires_at <= scheduled_at:
        raise ContentError(f"{EXPIRES_AT} must be later than {SCHEDULED_AT}")
    return Wishes(_on_limit(said), scheduled_at, expires_at)


def _shown(lower: str) -> str:
    return next(name for name in HEADERS if name.lower() == lower)


def _on_limit(said: dict[str, str]) -> OnLimit:
    try:
        return OnLimit(said.get(ON_LIMIT.lower(), OnLimit.QUEUE).lower())
    except ValueError:
        raise ContentError(f"{ON_LIMIT} is queue or reject") from None


def _moment(name: str, said: dict[str, str], now: datetime) -> datetime | None:
    text = said.get(name.lower())
    if text is None:
        return None
    try:
        return parse_future_moment(text, now=now)
    except MomentError as error:
        raise ContentError(f"{name}: {error}") from None
