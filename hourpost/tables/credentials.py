"""API keys and SMTP credentials."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Credential(Table):
    """What a program logs in with: only the SHA-256 of its token is here."""

    __tablename__ = "credentials"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    kind: Mapped[str]
    name: Mapped[str]
    token_sha256: Mapped[bytes] = mapped_column(unique=True)
    hint: Mapped[str]  # the visible first characters of the token
    username: Mapped[str | None] = mapped_column(unique=True)  # of an SMTP credential
    scope: Mapped[str]
    test: Mapped[bool] = mapped_column(server_default="false")
    files_sent: Mapped[bool] = mapped_column(server_default="true")  # into the Sent folders of mailboxes that want it
    domain_id: Mapped[UUID | None] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("kind IN ('api_key', 'smtp')", name="kind"),
        CheckConstraint("scope IN ('full', 'sending', 'reading')", name="scope"),
        Index(None, "account_id", "id"),
        {"postgresql_with": {"fillfactor": "50"}},
    )
