"""What belongs to a person who logs in: sessions, second factors, what was mailed to them, and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Session(Table):
    """A browser that is logged in, or half-way: ``awaits_second`` until the second factor is shown."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_sha256: Mapped[bytes] = mapped_column(unique=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))  # last looked at
    viewed_account_id: Mapped[UUID | None] = mapped_column(  # by staff, without being a member: read-only
        ForeignKey("accounts.id", ondelete="CASCADE")
    )
    awaits_second: Mapped[bool] = mapped_column(server_default="false")
    address: Mapped[str]
    agent: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    proven_at: Mapped[datetime]  # when a password, passkey or code was last shown


class OneTimeToken(Table):
    """What was mailed, or given to a browser, to come back once."""

    __tablename__ = "one_time_tokens"

    token_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    kind: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    detail: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (CheckConstraint("kind IN ('sign_up', 'password', 'address', 'passkey', 'totp')", name="kind"),)


class Invitation(Table):
    """A place in an account that waits for somebody with this address."""

    __tablename__ = "invitations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    email: Mapped[str]  # lower case
    role: Mapped[str]
    token_sha256: Mapped[bytes] = mapped_column(unique=True)
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("role IN ('admin', 'developer', 'viewer', 'billing')", name="role"),
        Index(None, "account_id", "email", unique=True),
    )


class Passkey(Table):
    """A WebAuthn credential of a user."""

    __tablename__ = "passkeys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class RecoveryCode(Table):
    """A code that stands in for the second factor once; used ones are gone."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    code_sha256: Mapped[bytes] = mapped_column(primary_key=True)


class AuditEntry(Table):
    """Who did what; kept when the user is gone."""

    __tablename__ = "audit_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    user_id: Mapped[UUID | None]
    actor: Mapped[str]  # the address, as it was
    action: Mapped[str]
    detail: Mapped[dict[str, Any]]
    address: Mapped[str]
    at: Mapped[datetime]

    __table_args__ = (Index(None, "account_id", "id"), Index(None, "user_id", "id"))
