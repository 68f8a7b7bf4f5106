"""Accounts, their users, and their hour."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Account(Table):
    """The customer: owns everything else; has a plan."""

    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    plan: Mapped[str | None]
    own_limit: Mapped[int | None]  # set by an operator, in place of the plan's
    unknown_policy: Mapped[str] = mapped_column(server_default="retry")
    signs_ed25519: Mapped[bool] = mapped_column(server_default="false")
    suspended_at: Mapped[datetime | None]
    lapsed_at: Mapped[datetime | None]  # its plan has ended unpaid: what waits goes on waiting
    closed_at: Mapped[datetime | None]  # deleted by its owner: erased bit by bit
    created_at: Mapped[datetime]

    __table_args__ = (
        Index("accounts_closed_idx", "closed_at", postgresql_where=text("closed_at IS NOT NULL")),
        CheckConstraint("plan IN ('path', 'normal', 'premium', 'skilled')", name="plan"),
        CheckConstraint("unknown_policy IN ('retry', 'park')", name="unknown_policy"),
        CheckConstraint("own_limit >= 0", name="own_limit"),
    )


class User(Table):
    """A person who logs in."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)  # lower case
    name: Mapped[str]
    password_hash: Mapped[str | None]  # argon2id
    totp_secret: Mapped[bytes | None]  # encrypted; the second factor is on when it is there
    totp_step: Mapped[int | None] = mapped_column(BigInteger)  # of the newest code that was used
    is_staff: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime]


class Membership(Table):
    """A user's role in an account."""

    __tablename__ = "memberships"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str]

    __table_args__ = (CheckConstraint("role IN ('owner', 'admin', 'developer', 'viewer', 'billing')", name="role"),)


class Hour(Table):
    """The generation of an account's bucket: raised, under the row's lock, each time it is filled from PostgreSQL."""

    __tablename__ = "hours"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    generation: Mapped[int] = mapped_column(server_default="0")


class Spend(Table):
    """Tokens taken from (or, negative, given back to) the hour of an account at one moment; rows are only added."""

    __tablename__ = "spends"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    spent_at: Mapped[datetime]
    count: Mapped[int]

    __table_args__ = (
        Index(None, "account_id", "spent_at", postgresql_include=["count"]),
        Index(None, "spent_at", postgresql_using="brin"),
    )
