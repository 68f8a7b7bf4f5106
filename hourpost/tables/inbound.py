"""Routes of incoming mail, the mail that came by them, and the copies of sent mail in mailboxes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class InboundRoute(Table):
    """Mail for ``pattern`` is posted to the webhook, which is the route's own."""

    __tablename__ = "inbound_routes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    domain: Mapped[str]
    pattern: Mapped[str]  # lower case: support@acme.com, or *@acme.com for the rest of the domain
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "account_id", "id"),
        Index(None, "pattern", "account_id", unique=True),
    )


class InboundEmail(Table):
    """One mail that came by a route; its content is its own, whatever becomes of a copy in a mailbox."""

    __tablename__ = "inbound_emails"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    route_id: Mapped[UUID]
    recipient: Mapped[str]
    envelope_from: Mapped[str]
    header_from: Mapped[str]
    subject: Mapped[str]
    message_id: Mapped[str]
    authentication: Mapped[dict[str, Any] | None]
    listing: Mapped[dict[str, Any]] = mapped_column(server_default="{}")  # what lists show of its content
    size_bytes: Mapped[int]
    received_at: Mapped[datetime]

    __table_args__ = (Index(None, "account_id", "id"),)


class SentCopy(Table):
    """A sent email that is shown in a mailbox, and the outcome that it carries there as keywords.

    Its message is known by its content, wherever it is moved to. What is settled is looked at again only when
    something new is heard. What is forwarded has no copy and begins as settled: the trigger ``deliveries_lost`` opens
    it.
    """

    __tablename__ = "sent_copies"

    email_id: Mapped[UUID] = mapped_column(primary_key=True)
    mailbox_id: Mapped[UUID] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    is_own: Mapped[bool]  # its client files it itself: we only look for it
    content_id: Mapped[UUID | None]  # of the message; None until it is there
    outcome: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")  # the keywords it carries
    settled: Mapped[bool] = mapped_column(server_default="false")
    noticed: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger), server_default="{}")  # whose loss its sender knows
    looked_at: Mapped[datetime]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "mailbox_id", "content_id"),
        Index("sent_copies_open_idx", "looked_at", postgresql_where=text("NOT settled")),
        Index("sent_copies_waiting_idx", "mailbox_id", "email_id", postgresql_where=text("NOT settled")),
        {"postgresql_with": {"fillfactor": "80"}},
    )
