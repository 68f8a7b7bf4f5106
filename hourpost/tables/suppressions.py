"""Addresses that an account must not send to."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Suppression(Table):
    """One address that an account must not send to, with its reason."""

    __tablename__ = "suppressions"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)  # lower case
    id: Mapped[UUID]
    reason: Mapped[str]
    email_id: Mapped[UUID | None]  # what bounced or was complained about
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("reason IN ('bounce', 'complaint', 'manual')", name="reason"),
        Index(None, "account_id", "id", unique=True),
    )
