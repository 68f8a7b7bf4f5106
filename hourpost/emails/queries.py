"""Reading emails, their deliveries, events, attempts and content, always of one account."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Subquery, and_, func, literal, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from hourpost import pages, tables
from hourpost.errors import NotFound
from hourpost.pages import Cursor, Page, Sieve, read_page, search_page, start_at
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import first_id_at
from hourpost.rules.reach import ALL, Reach

Email, Delivery, Event, Attempt, Chunk = (
    tables.Email,
    tables.Delivery,
    tables.Event,
    tables.Attempt,
    tables.ContentChunk,
)

_WILDCARD = re.compile("([%_/])")
TROUBLED = frozenset(
    {
        State.SCHEDULED,
        State.HELD,
        State.DEFERRED,
        State.BOUNCED,
        State.SUPPRESSED,
        State.EXPIRED,
        State.CANCELED,
        State.FAILED,
        State.UNKNOWN,
    }
)
"""The states that ``deliveries_troubled_idx`` holds, by account and email."""
_PROBED = frozenset({State.SENT, State.DELIVERED, State.QUEUED})
"""The states that no index holds by account: nearly all are in one of the first two, and everybody's queue is one."""

MOST_AHEAD = 50_000
"""How many that are held before one are counted, so that a page stays quick."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of emails is narrowed to; ``status`` means at least one recipient in that state."""

    status: State | None = None
    to: str | None = None
    from_: str | None = None  # lower case
    subject: str | None = None  # part of it, in any case
    tag: tuple[str, str | None] | None = None
    message_id: str | None = None  # with its angle brackets
    since: datetime | None = None
    until: datetime | None = None
    reach: Reach = ALL

    @property
    def is_search(self) -> bool:
        """Whether no index serves them all: a part of a subject may be anywhere, and so may some states."""
        return self.subject is not None or self.status in _PROBED or not self.reach.is_all

    @property
    def is_of_recipients(self) -> bool:
        """Whether an index over deliveries alone has the whole answer, in its order."""
        is_indexed = self.to is not None or self.status in TROUBLED
        others = (self.from_, self.tag, self.message_id)
        return is_indexed and others == (None, None, None) and not self.is_search


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """One recipient of an email and what became of it."""

    position: int
    address: str
    state: State
    due_at: datetime
    released_at: datetime | None
    waits_for: str | None
    attempts: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class StoredEmail:
    """One email without its content."""

    id: UUID
    credential_id: UUID | None
    source: str
    test: bool
    header_from: str
    from_address: str  # lower case
    subject: str
    message_id: str
    parts: dict[str, Any]
    tags: list[dict[str, str]] | None
    metadata: dict[str, Any] | None
    size_bytes: int
    content_id: UUID
    scheduled_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    deliveries: tuple[StoredDelivery, ...]
    is_complained_of: bool
    """A recipient has called it spam; that changes no state."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A past fact about a delivery."""

    id: UUID
    position: int
    kind: str
    at: datetime
    detail: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """One try at a delivery."""

    position: int
    number: int
    outcome: str
    relay: str | None
    stage: str | None
    code: int | None
    enhanced: str | None
    reply: str | None
    tls: str | None
    started_at: datetime
    seconds: float


_EMAIL_COLUMNS = [
    Email.id,
    Email.credential_id,
    Email.source,
    Email.test,
    Email.header_from,
    Email.from_address,
    Email.subject,
    Email.message_id,
    Email.parts,
    Email.tags,
    Email.metadata_.label("metadata"),
    Email.size_bytes,
    Email.content_id,
    Email.scheduled_at,
    Email.expires_at,
    Email.created_at,
]
_DELIVERY_COLUMNS = [
    Delivery.position,
    Delivery.address,
    Delivery.state,
    Delivery.due_at,
    Delivery.released_at,
    Delivery.waits_for,
    Delivery.attempts,
    Delivery.changed_at,
]


async def list_emails(
    connection: AsyncConnection, account_id: UUID, filters: Filters, cursor: Cursor
) -> Page[StoredEmail]:
    """One page of an account's emails, newest first. Raises: ValidationFailed for a cursor out of range.

    A search looks at so many emails and no more; the page then says where to go on from.
    """
    mine = select(*_EMAIL_COLUMNS).where(Email.account_id == account_id)
    if filters.is_of_recipients:
        rows = await read_page(
            connection, mine.where(Email.id.in_(_page_of(account_id, filters, cursor))), Email.id, cursor
        )
    elif filters.is_search:
        statement = _narrow(mine, account_id, filters)
        rows = await search_page(connection, statement, Email.id, cursor, _sieve(account_id, filters))
    else:
        rows = await read_page(connection, _narrow(mine, account_id, filters), Email.id, cursor)
    ids = [row.id for row in rows.data]
    deliveries, complaints = await _deliveries_of(connection, ids), await _complaints_among(connection, ids)
    return rows.map(lambda row: _to_email(row, deliveries[row.id], complaints))


async def get_email(connection: AsyncConnection, account_id: UUID, email_id: UUID) -> StoredEmail:
    """The email of this account. Raises: NotFound."""
    statement = select(*_EMAIL_COLUMNS).where(Email.account_id == account_id, Email.id == email_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no such email.")
    deliveries = await _deliveries_of(connection, [email_id])
    return _to_email(row, deliveries[email_id], await _complaints_among(connection, [email_id]))


async def read_content(connection: AsyncConnection, email: StoredEmail) -> bytes:
    """The bytes of an email as they were accepted; empty once they are no longer kept."""
    statement = select(Chunk.bytes_).where(Chunk.content_id == email.content_id).order_by(Chunk.number)
    return b"".join((await connection.execute(statement)).scalars())


async def list_events(connection: AsyncConnection, email: StoredEmail) -> Sequence[StoredEvent]:
    """All events of an email, oldest first."""
    statement = (
        select(Event.id, Event.position, Event.kind, Event.at, Event.detail)
        .where(Event.email_id == email.id)
        .order_by(Event.id)
    )
    return [StoredEvent(*row) for row in await connection.execute(statement)]


async def find_place(connection: AsyncConnection, account_id: UUID, email: StoredEmail) -> int | None:
    """The place (from 1) in the account's queue of the first recipient of an email that is held.

    None where none is, or where ``MOST_AHEAD`` and more come before it.
    """
    held = [one for one in email.deliveries if one.state == State.HELD]
    if not held:
        return None
    first = min(held, key=lambda one: (one.due_at, one.position))
    order = tuple_(Delivery.due_at, Delivery.email_id, Delivery.position)
    ahead = (
        select(literal(1))
        .where(Delivery.account_id == account_id, Delivery.state == State.HELD)
        .where(order < tuple_(literal(first.due_at), literal(email.id), literal(first.position)))
        .limit(MOST_AHEAD)
    )
    count = (await connection.execute(select(func.count()).select_from(ahead.subquery()))).scalar_one()
    return count + 1 if count < MOST_AHEAD else None


async def find_last_places(connection: AsyncConnection, account_id: UUID, held: Mapping[UUID, int]) -> dict[UUID, int]:
    """The place (from 1) in the account's queue of the last recipient of each email of which so many are held.

    Without those that are not among the first ``MOST_AHEAD``.
    """
    order = (Delivery.due_at, Delivery.email_id, Delivery.position)
    queue = (
        select(Delivery.email_id, func.row_number().over(order_by=order).label("place"))
        .where(Delivery.account_id == account_id, Delivery.state == literal(State.HELD.value, literal_execute=True))
        .order_by(*order)
        .limit(MOST_AHEAD)
        .subquery()
    )
    mine = select(queue.c.email_id, func.max(queue.c.place), func.count()).where(queue.c.email_id.in_(list(held)))
    rows = await connection.execute(mine.group_by(queue.c.email_id))
    return {email_id: place for email_id, place, count in rows if count == held[email_id]}


async def list_attempts(connection: AsyncConnection, email: StoredEmail) -> Sequence[StoredAttempt]:
    """All attempts at the deliveries of an email, by recipient and number."""
    columns = [getattr(Attempt, name) for name in StoredAttempt.__slots__]
    statement = select(*columns).where(Attempt.email_id == email.id).order_by(Attempt.position, Attempt.number)
    return [StoredAttempt(*row) for row in await connection.execute(statement)]


def _narrow(statement: Select[Any], account_id: UUID, filters: Filters) -> Select[Any]:
    if filters.from_ is not None:
        statement = statement.where(Email.from_address == filters.from_)
    if filters.tag is not None:
        name, value = filters.tag
        wanted = {"name": name} if value is None else {"name": name, "value": value}
        statement = statement.where(Email.tags.is_not(None), Email.tags.contains([wanted]))
    if filters.message_id is not None:
        statement = statement.where(Email.message_id == filters.message_id)
    statement = statement.where(*_in_time(Email.id, filters))
    if filters.to is None and (filters.status is None or filters.status in _PROBED):
        return statement
    return statement.where(_recipients(account_id, filters).where(Delivery.email_id == Email.id).exists())


def _page_of(account_id: UUID, filters: Filters, cursor: Cursor) -> Select[Any]:
    """The emails of one page, where deliveries alone say which: read off an index, however few among how many."""
    cursor.check()
    found = _recipients(account_id, filters).where(*_in_time(Delivery.email_id, filters)).distinct()
    return start_at(found, Delivery.email_id, cursor).limit(cursor.limit + 1)


def _recipients(account_id: UUID, filters: Filters) -> Select[Any]:
    found = select(Delivery.email_id).where(Delivery.account_id == account_id)
    if filters.to is not None:
        found = found.where(func.lower(Delivery.address) == filters.to.lower())
    if filters.status is not None and filters.status not in _PROBED:
        # Written into the statement, so that the partial indexes over states can serve it
        found = found.where(Delivery.state == literal(filters.status.value, literal_execute=True))
    return found


def _in_time(key: InstrumentedAttribute[UUID], filters: Filters) -> Iterator[ColumnElement[bool]]:
    if filters.since is not None:
        yield key >= first_id_at(filters.since)
    if filters.until is not None:
        yield key < first_id_at(filters.until)


def _sieve(account_id: UUID, filters: Filters) -> Sieve:
    """What no index serves."""
    most = pages.PROBED_AT_ONCE if filters.status in _PROBED else pages.SEARCHED_AT_ONCE
    columns = [Email.subject] if filters.reach.is_all else [Email.subject, Email.test, Email.from_address]
    return Sieve(partial(_sift, account_id, filters), columns, most)


def _sift(account_id: UUID, filters: Filters, emails: Subquery) -> ColumnElement[bool]:
    """That a candidate is among what is looked for."""
    found: list[ColumnElement[bool]] = []
    if filters.subject is not None:
        pattern = "%" + _WILDCARD.sub(r"/\1", filters.subject) + "%"
        # A fifth less work than ILIKE
        found.append(func.lower(emails.c.subject).like(func.lower(pattern), escape="/"))
    if filters.reach.tests_only:
        found.append(emails.c.test)
    if filters.reach.domain_id is not None:
        found.append(emails.c.from_address.endswith(f"@{filters.reach.domain}", autoescape=True))
    if filters.status in _PROBED:
        those = select(true()).where(
            Delivery.email_id == emails.c.id,
            Delivery.account_id == account_id,
            Delivery.state.concat("") == filters.status.value,  # the key is the way to it
        )
        if filters.to is not None:
            those = those.where(func.lower(Delivery.address) == filters.to.lower())
        found.append(those.limit(1).scalar_subquery())
    return and_(*found)


async def _deliveries_of(
    connection: AsyncConnection, email_ids: Iterable[UUID]
) -> dict[UUID, tuple[StoredDelivery, ...]]:
    found: dict[UUID, list[StoredDelivery]] = defaultdict(list)
    statement = (
        select(Delivery.email_id, *_DELIVERY_COLUMNS)
        .where(Delivery.email_id.in_(list(email_ids)))
        .order_by(Delivery.email_id, Delivery.position)
    )
    for row in await connection.execute(statement):
        values = dict(row._mapping)
        email_id = values.pop("email_id")
        found[email_id].append(StoredDelivery(**values | {"state": State(values["state"])}))
    return defaultdict(tuple, {email_id: tuple(rows) for email_id, rows in found.items()})


async def _complaints_among(connection: AsyncConnection, email_ids: Sequence[UUID]) -> set[UUID]:
    statement = select(Event.email_id).where(Event.email_id.in_(email_ids), Event.kind == "complained")
    return set((await connection.execute(statement)).scalars())


def _to_email(row: Row[Any], deliveries: tuple[StoredDelivery, ...], complaints: Container[UUID]) -> StoredEmail:
    return StoredEmail(**row._mapping, deliveries=deliveries, is_complained_of=row.id in complaints)
