"""What the headers of an email say to us alone, beside the fields that say the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from api.web.faults import pointer_to
from api.web.v1.email_fields import DraftFields
from hourpost.errors import Fault
from hourpost.rules.control import (
    EXPIRES_AT,
    NO_WISHES,
    ON_LIMIT,
    SCHEDULED_AT,
    ControlError,
    Wishes,
    find_metadata,
    list_tags,
    read_wishes,
)
from hourpost.rules.header_text import decode_words
from hourpost.rules.labels import MAX_TAGS

_Read = TypeVar("_Read")

_ONCE = {
    "X-Metadata": "metadata",
    SCHEDULED_AT: "scheduled_at",
    EXPIRES_AT: "expires_at",
    ON_LIMIT: "on_limit",
}
"""The fields that say the same, of which there is one in an email."""


@dataclass(frozen=True, slots=True)
class Control:
    """What was understood, and what was not."""

    tags: list[dict[str, str]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    wishes: Wishes = NO_WISHES
    faults: tuple[Fault, ...] = ()


NO_CONTROL = Control()


def read_control(fields: DraftFields, now: datetime, start: str) -> Control:
    """What the control headers of an email say; ``start`` is the pointer of the email in the whole document."""
    said: dict[str, list[str]] = {}
    given: dict[str, str] = {}
    for name, value in fields.control_headers:
        said.setdefault(name.lower(), []).append(decode_words(value).strip())
        given[name.lower()] = name
    faults: list[Fault] = []

    def note(name: str, text: str) -> None:
        place = pointer_to(("headers", given[name.lower()]))
        faults.append(Fault(start + place, f"header {name}: {text.removeprefix(name).removeprefix(':').strip()}"))

    def read(what: Callable[[], _Read], otherwise: _Read) -> _Read:
        try:
            return what()
        except ControlError as error:
            note(error.name, str(error))
            return otherwise

    for name, same in _ONCE.items():
        if name.lower() in said and getattr(fields, same) is not None:
            note(name, f"the field `{same}` says so already")
    tags: list[dict[str, str]] = []
    tags = read(lambda: list_tags(said), tags)
    if len(tags) + len(fields.tags or ()) > MAX_TAGS:
        note("X-Tags" if "x-tags" in said else "X-Tag", f"with the field `tags` there are more than {MAX_TAGS} tags")
    metadata = read(lambda: find_metadata(said), None)
    return Control(tags, metadata, read(lambda: read_wishes(said, now), NO_WISHES), tuple(faults))
