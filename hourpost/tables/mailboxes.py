"""Mailboxes, what they are reached by, and their folders.

A mailbox outlives its domain's row: who loses a domain still reads the mail that came before.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hourpost.tables.metadata import Table


class Mailbox(Table):
    """An address with a login. ``used_bytes`` changes with every delivery; nothing that changes often is indexed."""

    __tablename__ = "mailboxes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    address: Mapped[str]  # lower case, domain in A-labels
    domain: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str]  # argon2id
    scram_salt: Mapped[bytes]  # one for all its passwords: a client is told the salt before it says which
    scram_keys: Mapped[bytes | None]  # of its own password, sealed; NULL until somebody logs in by it
    access_generation: Mapped[int] = mapped_column(server_default="0")  # raised to end every session
    quota_bytes: Mapped[int] = mapped_column(BigInteger)
    used_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    last_uidvalidity: Mapped[int] = mapped_column(BigInteger)
    forward_to: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    keeps_forwarded: Mapped[bool] = mapped_column(server_default="true")
    files_sent: Mapped[bool] = mapped_column(server_default="true")
    signature: Mapped[str] = mapped_column(server_default="")
    auto_reply: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))  # as rules.auto_reply writes it
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("quota_bytes > 0", name="quota_bytes"),
        Index(None, "account_id", "id"),
        Index("mailboxes_deleted_idx", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": "70"}},
    )


class MailboxAddress(Table):
    """What a mailbox gets mail for: its own address, aliases, and ``@domain`` for whatever nobody else has.

    One account has an address once. Which account's it is, where a domain has changed hands, says the verified domain.
    """

    __tablename__ = "mailbox_addresses"

    address: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    mailbox_id: Mapped[UUID] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), index=True)
    domain: Mapped[str]
    kind: Mapped[str]
    created_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("kind IN ('primary', 'alias', 'catch_all')", name="kind"),)


class AutoReplied(Table):
    """Whom a mailbox has told by itself, so that it tells each of them once in a while."""

    __tablename__ = "auto_replied"

    mailbox_id: Mapped[UUID] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)  # lower case
    replied_at: Mapped[datetime]

    __table_args__ = (Index(None, "replied_at"),)


class AppPassword(Table):
    """A random password for one device: its SHA-256, and the keys that SCRAM-SHA-256 compares with (RFC 5802 §3)."""

    __tablename__ = "app_passwords"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    mailbox_id: Mapped[UUID] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    token_sha256: Mapped[bytes] = mapped_column(unique=True)
    stored_key: Mapped[bytes | None]  # NULL for old ones, until somebody logs in by them
    server_key: Mapped[bytes | None]
    hint: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))  # imap, pop3, smtp
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Folder(Table):
    """What IMAP calls a mailbox. The row is the lock of its messages, and holds all that SELECT and STATUS tell."""

    __tablename__ = "folders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    mailbox_id: Mapped[UUID] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    name: Mapped[str]  # Unicode, levels divided by "/"
    special_use: Mapped[str | None]  # drafts, sent, junk, trash, archive
    subscribed: Mapped[bool] = mapped_column(server_default="true")
    uidvalidity: Mapped[int] = mapped_column(BigInteger)
    uidnext: Mapped[int] = mapped_column(server_default="1")
    highestmodseq: Mapped[int] = mapped_column(BigInteger, server_default="1")
    expunged_before: Mapped[int] = mapped_column(BigInteger, server_default="0")  # MODSEQ up to which expunges are lost
    recent_uid: Mapped[int] = mapped_column(server_default="1")  # from here on nobody has been told \Recent
    messages: Mapped[int] = mapped_column(server_default="0")
    unseen: Mapped[int] = mapped_column(server_default="0")
    deleted: Mapped[int] = mapped_column(server_default="0")
    size_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    created_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "mailbox_id", "name", unique=True),
        {"postgresql_with": {"fillfactor": "50"}},
    )


class Subscription(Table):
    """A name that is subscribed though no folder has it: LSUB goes on to tell it (RFC 3501 §6.3.9)."""

    __tablename__ = "folder_subscriptions"

    mailbox_id: Mapped[UUID] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)


class Keyword(Table):
    """A keyword of a mailbox and the small number that its messages carry for it; never taken away again."""

    __tablename__ = "mailbox_keywords"

    mailbox_id: Mapped[UUID] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    name: Mapped[str]  # as first written
    folded: Mapped[str]  # lower case

    __table_args__ = (Index(None, "mailbox_id", "folded", unique=True),)


class MailSession(Table):
    """A browser in which somebody reads a mailbox; over when the mailbox's ``access_generation`` is another."""

    __tablename__ = "mail_sessions"

    token_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    mailbox_id: Mapped[UUID] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), index=True)
    access_generation: Mapped[int]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
