"""Emails, their content, and the idempotency keys that brought them.

The hot tables have no foreign keys: a check per row would cost as much as the row, and accounts do not vanish.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Email(Table):
    """One submission. ``parts`` holds what lists show: to, cc, bcc, reply_to as they were given."""

    __tablename__ = "emails"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    credential_id: Mapped[UUID | None]
    domain_id: Mapped[UUID | None]  # of the From address; its DKIM key signs
    source: Mapped[str]  # api, smtp
    test: Mapped[bool]
    envelope_from: Mapped[str]
    header_from: Mapped[str]  # as given
    from_address: Mapped[str]  # lower case, bare
    subject: Mapped[str]
    message_id: Mapped[str]  # with its angle brackets
    parts: Mapped[dict[str, Any]]
    tags: Mapped[list[Any] | None]  # [{"name", "value"}]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    size_bytes: Mapped[int]
    content_id: Mapped[UUID]
    scheduled_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "account_id", "id"),
        Index(None, "account_id", "from_address", "id"),
        Index(None, "message_id", postgresql_using="hash"),
        Index("emails_expiring_idx", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index(
            None,
            "tags",
            postgresql_using="gin",
            postgresql_ops={"tags": "jsonb_path_ops"},
            postgresql_where=text("tags IS NOT NULL"),
        ),
    )


class ContentChunk(Table):
    """Up to 256 KiB of a message's canonical bytes; whole messages of up to 8 KB stay in the row."""

    __tablename__ = "content_chunks"

    content_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bytes_: Mapped[bytes] = mapped_column("bytes")


class IdempotencyKey(Table):
    """A key an account used, the hash of the body it came with, and the ids that the first request was given."""

    __tablename__ = "idempotency_keys"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_sha256: Mapped[bytes]
    answer: Mapped[dict[str, Any]]  # {"emails": [ids as text], "errors": […]}
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "created_at", postgresql_using="brin"),)
