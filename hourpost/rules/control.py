"""Control headers: what a message says in them to Hourpost alone, at every door in the same words and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import orjson

from hourpost.rules.labels import MAX_TAGS, read_metadata, read_tag, read_tag_list
from hourpost.rules.moments import MomentError, parse_future_moment
from hourpost.rules.submission import OnLimit

ON_LIMIT, SCHEDULED_AT, EXPIRES_AT = "X-On-Limit", "X-Scheduled-At", "X-Expires-At"
WISHES = frozenset(name.lower() for name in (ON_LIMIT, SCHEDULED_AT, EXPIRES_AT))

Said = Mapping[str, Sequence[str]]
"""The values of headers, decoded and without outer blanks, by their names in small letters."""

_Read = TypeVar("_Read")


class ControlError(ValueError):
    """What a control header says cannot be understood; the text names the header."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Not before ``scheduled_at``, never after ``expires_at``; ``on_limit`` is for an hour without room."""

    on_limit: OnLimit | None = None
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None


NO_WISHES = Wishes()


def list_tags(said: Said) -> list[dict[str, str]]:
    """Tags in order, each once: one in each X-Tag, a JSON list or a list with commas in X-Tags.

    Raises: ControlError.
    """
    named = [("X-Tag", text) for text in said.get("x-tag", ())]
    for text in said.get("x-tags", ()):
        named += [("X-Tags", word) for word in _read("X-Tags", read_tag_list, text)]
    tags = {text: _read(name, read_tag, text) for name, text in named if text}
    if len(tags) > MAX_TAGS:
        raise ControlError(named[-1][0], f"{named[-1][0]}: the message has more than {MAX_TAGS} tags")
    return list(tags.values())


def find_metadata(said: Said) -> dict[str, object] | None:
    """The JSON object in X-Metadata. Raises: ControlError."""
    text = _find("X-Metadata", said)
    return None if text is None else _read("X-Metadata", read_metadata, text)


def write_labels(tags: Sequence[Mapping[str, str]], metadata: Mapping[str, object] | None) -> list[dict[str, str]]:
    """The headers that would give an email these labels, each with ``name`` and ``value``; none where it has none."""
    words = [tag["value"] if tag["name"] == "tag" else f"{tag['name']}={tag['value']}" for tag in tags]
    written: list[tuple[str, object]] = [("X-Tags", words)] if words else []
    if metadata is not None:
        written.append(("X-Metadata", metadata))
    return [{"name": name, "value": orjson.dumps(value).decode()} for name, value in written]


def read_wishes(said: Said, now: datetime) -> Wishes:
    """When the message may leave. Raises: ControlError."""
    scheduled_at, expires_at = _find_moment(SCHEDULED_AT, said, now), _find_moment(EXPIRES_AT, said, now)
    if scheduled_at is not None and expires_at is not None and expires_at <= scheduled_at:
        raise ControlError(EXPIRES_AT, f"{EXPIRES_AT} must be later than {SCHEDULED_AT}")
    return Wishes(_find_on_limit(said), scheduled_at, expires_at)


def _find(name: str, said: Said) -> str | None:
    found = said.get(name.lower(), ())
    if len(found) > 1:
        raise ControlError(name, f"the message has two {name} headers")
    return found[0] if found else None


def _read(name: str, read: Callable[[str], _Read], text: str) -> _Read:
    try:
        return read(text)
    except ValueError as error:
        raise ControlError(name, f"{name} {error}") from error


def _find_on_limit(said: Said) -> OnLimit | None:
    text = _find(ON_LIMIT, said)
    try:
        return None if text is None else OnLimit(text.lower())
    except ValueError:
        raise ControlError(ON_LIMIT, f"{ON_LIMIT} is queue or reject") from None


def _find_moment(name: str, said: Said, now: datetime) -> datetime | None:
    text = _find(name, said)
    try:
        return None if text is None else parse_future_moment(text, now=now)
    except MomentError as error:
        raise ControlError(name, f"{name}: {error}") from None
