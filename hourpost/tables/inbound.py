"""The copies of sent mail in mailboxes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class SentCopy(Table):
    """A sent email that is shown in a mailbox, and the outcome that it carries there as keywords.

    Its message is known by its content, wherever it is moved to. What is settled is looked at again only when
    something new is heard.
    """

    __tablename__ = "sent_copies"

    email_id: Mapped[UUID] = mapped_column(primary_key=True)
    mailbox_id: Mapped[UUID] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), index=True)
    is_own: Mapped[bool]  # its client files it itself: we only look for it
    content_id: Mapped[UUID | None]  # of the message; None until it is there
    outcome: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")  # the keywords it carries
    settled: Mapped[bool] = mapped_column(server_default="false")
    looked_at: Mapped[datetime]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index("sent_copies_open_idx", "looked_at", postgresql_where=text("NOT settled")),
        {"postgresql_with": {"fillfactor": "80"}},
    )
