"""Domains that accounts send from."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Domain(Table):
    """A DNS domain of an account; verified for one account at a time. Private keys are encrypted."""

    __tablename__ = "domains"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    name: Mapped[str]  # lower case, A-labels
    status: Mapped[str] = mapped_column(server_default="not_started")
    ownership_token: Mapped[str]
    dkim_selector: Mapped[str]
    dkim_rsa_private: Mapped[bytes]
    dkim_rsa_public: Mapped[str]  # the value of the TXT record
    dkim_ed25519_private: Mapped[bytes]
    dkim_ed25519_public: Mapped[str]
    dkim_seen_at: Mapped[datetime | None]  # the RSA record, since when without a break
    dkim_ed25519_seen_at: Mapped[datetime | None]
    signs_ed25519: Mapped[bool | None]  # with the second key too; None: as the account has it
    proof_missing_since: Mapped[datetime | None]  # of a domain that was verified
    mail_records_seen: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # None: nobody has looked
    verified_at: Mapped[datetime | None]
    last_checked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("status IN ('not_started', 'pending', 'verified', 'failed')", name="status"),
        Index(None, "account_id", "name", unique=True),
        Index("domains_name_verified_key", "name", unique=True, postgresql_where=text("status = 'verified'")),
    )
