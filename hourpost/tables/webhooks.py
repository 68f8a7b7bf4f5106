"""Webhooks, the calls they are owed, and what came of each try."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Webhook(Table):
    """An address of a customer that is called when something happens. Secrets are encrypted."""

    __tablename__ = "webhooks"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    endpoint: Mapped[str]
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text))  # of the events it is called for
    secret: Mapped[bytes]
    old_secret: Mapped[bytes | None]  # also signs, until then
    old_secret_until: Mapped[datetime | None]
    older_secrets: Mapped[list[bytes | None]] = mapped_column(
        ARRAY(LargeBinary), server_default="{}"
    )  # latest first, each
    older_secrets_until: Mapped[list[datetime | None]] = mapped_column(
        ARRAY(DateTime(timezone=True)), server_default="{}"
    )
    failing_since: Mapped[datetime | None]  # the first failure after the last success, or after a day without calls
    failed_at: Mapped[datetime | None]  # the last one, to the hour
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    told_at: Mapped[datetime | None]  # when its owner was written to about that
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "account_id", "id"),)


class WebhookCall(Table):
    """One event that one webhook is to be told. Without a payload it is told from the event's own row.

    No constraint binds it to its webhook: whoever deletes one would stand in the way of the mail that it is told of.
    """

    __tablename__ = "webhook_calls"

    webhook_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    email_id: Mapped[UUID | None]
    kind: Mapped[str]
    payload: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    due_at: Mapped[datetime]  # while a worker has it: when it is anybody's again
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("state IN ('pending', 'success', 'failed')", name="state"),
        Index("webhook_calls_due_idx", "webhook_id", "due_at", postgresql_where=text("state = 'pending'")),
        Index(None, "created_at", postgresql_using="brin"),
        {"postgresql_with": {"fillfactor": "80"}},
    )


class WebhookAttempt(Table):
    """One try at a call, with the first 4 KB of the answer. As the call itself it may outlive its webhook a little."""

    __tablename__ = "webhook_attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID]
    event_id: Mapped[UUID]
    status: Mapped[int | None] = mapped_column(SmallInteger)  # of HTTP; None when there was no answer
    response: Mapped[str]
    seconds: Mapped[float]
    sent_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "webhook_id", "event_id", "id"),
        Index(None, "sent_at", postgresql_using="brin"),
    )
