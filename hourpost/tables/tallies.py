"""How many events of each kind an account had, in slices of ten minutes: what charts are drawn from."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Tally(Table):
    """The events of one kind in the ten minutes from ``started_at``; test mode does not count."""

    __tablename__ = "tallies"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class TallyMark(Table):
    """The one row that says up to which moment events are in the tallies."""

    __tablename__ = "tally_marks"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    counted_until: Mapped[datetime]
