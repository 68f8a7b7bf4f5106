"""SORT (RFC 5256 §3, RFC 5957): messages in the order of their keys, then of their UIDs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol, TypeVar


class SortBy(Enum):
    """What is compared; the value is the word of SORT."""

    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    DISPLAY_FROM = "DISPLAYFROM"
    DISPLAY_TO = "DISPLAYTO"
    FROM = "FROM"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One word of SORT, and whether REVERSE stands before it."""

    by: SortBy
    is_reversed: bool = False


class Dated(Protocol):
    """A message with its moments, the Date header's and the one at which it came."""

    @property
    def uid(self) -> int: ...  # noqa: D102
    @property
    def sent_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def received_at(self) -> datetime: ...  # noqa: D102


class Sortable(Dated, Protocol):
    """A message with the keys that the scanner made of it."""

    @property
    def size_bytes(self) -> int: ...  # noqa: D102
    @property
    def base_subject(self) -> str: ...  # noqa: D102
    @property
    def from_key(self) -> str: ...  # noqa: D102
    @property
    def to_key(self) -> str: ...  # noqa: D102
    @property
    def cc_key(self) -> str: ...  # noqa: D102
    @property
    def display_from_key(self) -> str: ...  # noqa: D102
    @property
    def display_to_key(self) -> str: ...  # noqa: D102


_Row = TypeVar("_Row", bound=Sortable)


def date_of(row: Dated) -> datetime:
    """When it was sent; when it came, if it does not say."""
    return row.sent_at or row.received_at


_KEYS: dict[SortBy, Callable[[Sortable], Any]] = {
    SortBy.ARRIVAL: lambda row: row.received_at,
    SortBy.CC: lambda row: row.cc_key,
    SortBy.DATE: date_of,
    SortBy.DISPLAY_FROM: lambda row: row.display_from_key,
    SortBy.DISPLAY_TO: lambda row: row.display_to_key,
    SortBy.FROM: lambda row: row.from_key,
    SortBy.SIZE: lambda row: row.size_bytes,
    SortBy.SUBJECT: lambda row: row.base_subject,
    SortBy.TO: lambda row: row.to_key,
}


def sort_messages(rows: Iterable[_Row], criteria: Sequence[Criterion]) -> list[_Row]:
    """The rows by the first criterion, those alike in it by the next; REVERSE never turns the order of UIDs."""
    found = sorted(rows, key=lambda row: row.uid)
    for criterion in reversed(criteria):
        found.sort(key=_KEYS[criterion.by], reverse=criterion.is_reversed)
    return found
