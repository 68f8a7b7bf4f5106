"""Deliveries with their attempts and events, and the workers that hold leases on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Delivery(Table):
    """One email to one recipient: the row that has a state. Its key is the email and the recipient's place in it."""

    __tablename__ = "deliveries"

    email_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    account_id: Mapped[UUID]
    address: Mapped[str]
    domain: Mapped[str]  # of the address: the destination
    state: Mapped[str]
    due_at: Mapped[datetime]  # scheduled: its moment; held: its place; queued, deferred: not before
    released_at: Mapped[datetime | None]  # when its token was taken, by the clock of the hour
    lease: Mapped[UUID | None]  # the worker that has it
    dot_at: Mapped[datetime | None]  # the final dot of this attempt may have been sent
    attempts: Mapped[int] = mapped_column(SmallInteger)
    crashes: Mapped[int] = mapped_column(SmallInteger)  # attempts whose worker went away
    waits_for: Mapped[str | None]  # destination or relay, of a deferred one
    changed_at: Mapped[datetime]

    __table_args__ = (
        Index("deliveries_account_id_address_email_id_idx", "account_id", text("lower(address)"), "email_id"),
        Index("deliveries_due_idx", "due_at", postgresql_where=text("state IN ('queued', 'deferred')")),
        Index(
            "deliveries_held_idx",
            "account_id",
            "due_at",
            "email_id",
            "position",
            postgresql_where=text("state = 'held'"),
        ),
        Index("deliveries_scheduled_idx", "due_at", postgresql_where=text("state = 'scheduled'")),
        Index("deliveries_leased_idx", "lease", postgresql_where=text("state = 'sending'")),
        Index(
            "deliveries_troubled_idx",
            "account_id",
            "state",
            "email_id",
            postgresql_where=text(
                "state IN ('scheduled', 'held', 'deferred', 'bounced', 'suppressed',"
                " 'expired', 'canceled', 'failed', 'unknown')"
            ),
        ),
        {"postgresql_with": {"fillfactor": "50"}},
    )


class Attempt(Table):
    """One try at a delivery, with the remote's words."""

    __tablename__ = "attempts"

    email_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    outcome: Mapped[str]  # the state it led to
    relay: Mapped[str | None]
    stage: Mapped[str | None]  # how far it came: connect … dot
    code: Mapped[int | None] = mapped_column(SmallInteger)
    enhanced: Mapped[str | None]
    reply: Mapped[str | None]
    tls: Mapped[str | None]
    started_at: Mapped[datetime]
    seconds: Mapped[float]


class Event(Table):
    """A past fact about a delivery."""

    __tablename__ = "events"

    email_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    account_id: Mapped[UUID]
    kind: Mapped[str]
    at: Mapped[datetime]
    detail: Mapped[dict[str, Any] | None]

    # Events are added in the order of time, so a few pages of this hold all; the tallies read the newest by it.
    __table_args__ = (
        Index(None, "at", postgresql_using="brin", postgresql_with={"pages_per_range": "16", "autosummarize": "on"}),
    )


class Worker(Table):
    """A worker process that is alive until its lease ends."""

    __tablename__ = "workers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    leased_until: Mapped[datetime]
    started_at: Mapped[datetime]
    relays: Mapped[list[Any] | None] = mapped_column(JSONB)  # how each does, as it told at told_at
    told_at: Mapped[datetime | None]
