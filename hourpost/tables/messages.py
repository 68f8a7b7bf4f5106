"""Messages of folders, their content, and the traces that expunged ones leave.

The hot tables have no foreign keys, as those of emails have none.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Message(Table):
    """One mail in one folder: only what changes, and what is asked for with it."""

    __tablename__ = "messages"

    folder_id: Mapped[UUID] = mapped_column(primary_key=True)
    uid: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    modseq: Mapped[int] = mapped_column(BigInteger)
    flags: Mapped[int] = mapped_column(SmallInteger)  # bits of rules.mail_flags.Flag
    keywords: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger))  # sorted; NULL where there are none
    size_bytes: Mapped[int]
    received_at: Mapped[datetime]  # INTERNALDATE
    saved_at: Mapped[datetime]  # when it came into this folder (RFC 8514)
    content_id: Mapped[UUID] = mapped_column(index=True)
    thread_id: Mapped[UUID]

    __table_args__ = (
        Index(None, "folder_id", "modseq"),
        Index(None, "folder_id", "received_at", "uid"),
        {"postgresql_with": {"fillfactor": "85"}},
    )


class Expunge(Table):
    """A message that was: told to clients that resynchronise, and its content still read by those not yet told.

    ``content_id`` is NULL once the content was given up.
    """

    __tablename__ = "expunges"

    folder_id: Mapped[UUID] = mapped_column(primary_key=True)
    modseq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    uid: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    flags: Mapped[int] = mapped_column(SmallInteger)
    size_bytes: Mapped[int]
    received_at: Mapped[datetime]
    saved_at: Mapped[datetime]
    content_id: Mapped[UUID | None]
    thread_id: Mapped[UUID]
    expunged_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "expunged_at"),
        Index("expunges_content_id_idx", "content_id", postgresql_where=text("content_id IS NOT NULL")),
    )


class MessageContent(Table):
    """What was read off one mail's bytes when it came: the answers of FETCH ready to send, and the keys of SORT."""

    __tablename__ = "message_contents"

    content_id: Mapped[UUID] = mapped_column(primary_key=True)
    parser_version: Mapped[int] = mapped_column(SmallInteger)
    size_bytes: Mapped[int]
    header_size: Mapped[int]
    envelope: Mapped[bytes]
    body: Mapped[bytes]
    bodystructure: Mapped[bytes]
    parts: Mapped[bytes]  # as rules.mail.storing packs them
    message_id: Mapped[str | None]
    in_reply_to: Mapped[str | None]
    reference_ids: Mapped[list[str]] = mapped_column(ARRAY(Text))
    subject: Mapped[str]
    base_subject: Mapped[str]
    is_reply: Mapped[bool]
    from_key: Mapped[str]
    to_key: Mapped[str]
    cc_key: Mapped[str]
    display_from_key: Mapped[str]
    display_to_key: Mapped[str]
    from_text: Mapped[str]
    to_text: Mapped[str]
    sent_at: Mapped[datetime | None]
    sent_on: Mapped[date | None]
    preview: Mapped[str]
    has_attachments: Mapped[bool]

    __table_args__ = (Index(None, "parser_version"),)


class UnendedContent(Table):
    """Mail whose last line has no CRLF, which is rare: POP3 gives it one, and counts it."""

    __tablename__ = "unended_contents"

    content_id: Mapped[UUID] = mapped_column(primary_key=True)


class Surrogate(Table):
    """What makes the headers of a mail ASCII that holds UTF-8 there, for POP3 clients that did not ask for it.

    ``texts`` stand for the ``sizes`` bytes at ``places``; ``growth`` is what that adds to the mail's size.
    """

    __tablename__ = "surrogates"

    content_id: Mapped[UUID] = mapped_column(primary_key=True)
    growth: Mapped[int]
    places: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    sizes: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    texts: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))


class MessageText(Table):
    """What is looked through: decoded and in lower case.

    IMAP looks in ``header`` and ``body``; lists look where accents are dropped, which is NULL where there are none.
    """

    __tablename__ = "message_texts"

    content_id: Mapped[UUID] = mapped_column(primary_key=True)
    header: Mapped[str]
    body: Mapped[str]
    plain_header: Mapped[str | None]
    plain_body: Mapped[str | None]


class ThreadReference(Table):
    """Which thread of a mailbox a Message-ID belongs to, by its hash."""

    __tablename__ = "thread_references"

    mailbox_id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    thread_id: Mapped[UUID]
