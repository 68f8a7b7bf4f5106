"""The audit log: who did what, when and from where; entries are only added.

People write in the dashboard, API keys by REST, who runs the installation by the command line, and Stripe by what it
says of an account; sending is in the logs of emails.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.pages import Cursor, Page, read_page
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.roles import Role

PREFIX = "aud"

WORDS: dict[str, str] = {
    "logged_in": "logged in",
    "log_in_failed": "gave a wrong password",
    "logged_out": "logged out",
    "signed_up": "signed up",
    "password_changed": "changed the password",
    "password_reset": "reset the password by mail",
    "address_changed": "changed the email address",
    "totp_enabled": "turned on codes by app",
    "totp_disabled": "turned off codes by app",
    "passkey_added": "added a passkey",
    "passkey_renamed": "renamed a passkey",
    "passkey_removed": "removed a passkey",
    "recovery_codes_made": "made new recovery codes",
    "recovery_code_used": "logged in with a recovery code",
    "second_factor_dropped": "turned off the second factor of somebody",
    "session_ended": "logged another browser out",
    "api_key_changed": "changed an API key",
    "smtp_changed": "changed an SMTP credential",
    "member_invited": "invited a member",
    "invitation_withdrawn": "withdrew an invitation",
    "member_joined": "joined",
    "member_left": "left",
    "member_removed": "removed a member",
    "role_changed": "changed a role",
    "account_created": "created the account",
    "account_renamed": "renamed the account",
    "lost_answers_changed": "chose what follows a lost answer",
    "account_exported": "exported the account",
    "account_deleted": "deleted the account",
    "user_deleted": "deleted the log-in",
    "checkout_opened": "went to pay for a plan",
    "payment_taken_back": "took back what was not paid yet",
    "plan_changed": "changed the plan",
    "upgrade_asked": "asked for an upgrade",
    "downgrade_asked": "chose a smaller plan to follow",
    "plan_kept": "kept the plan after all",
    "plan_canceled": "canceled the plan",
    "payment_state_changed": "told how it is paid",
    "plan_resumed": "resumed the plan",
    "domain_added": "added a domain",
    "domain_changed": "changed a domain",
    "domain_deleted": "deleted a domain",
    "api_key_made": "made an API key",
    "api_key_revoked": "revoked an API key",
    "smtp_made": "made an SMTP credential",
    "smtp_revoked": "revoked an SMTP credential",
    "webhook_added": "added a webhook",
    "webhook_changed": "changed a webhook",
    "webhook_deleted": "deleted a webhook",
    "webhook_secret_rotated": "gave a webhook a new secret",
    "route_added": "added a route of incoming mail",
    "route_deleted": "deleted a route of incoming mail",
    "mailbox_made": "made a mailbox",
    "mailbox_deleted": "closed a mailbox",
    "mailbox_restored": "opened a mailbox again",
    "mailbox_password_changed": "changed the password of a mailbox",
    "mailbox_forwarding_changed": "changed where a mailbox forwards to",
    "mailbox_changed": "changed a mailbox",
    "alias_added": "gave a mailbox another address",
    "alias_removed": "took an address from a mailbox",
    "app_password_made": "made an app password",
    "app_password_revoked": "revoked an app password",
    "suppression_added": "suppressed an address",
    "suppression_removed": "took an address off the suppressions",
    "suppressions_imported": "imported suppressions",
    "account_suspended": "suspended the account, as staff",
    "account_resumed": "resumed the account, as staff",
    "account_viewed": "looked at the account, as staff",
}
"""What an action reads like after the actor's name; other nouns add theirs."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, from where, and in which account and role if it is about one."""

    user_id: UUID | None
    email: str
    address: str
    account_id: UUID | None = None
    role: Role | None = None


OPERATOR = "the command line"
STRIPE = "Stripe"


def by_operator(account_id: UUID | None) -> Actor:
    """Who runs the installation, at its command line."""
    return Actor(None, OPERATOR, "", account_id)


def by_stripe(account_id: UUID) -> Actor:
    """What Stripe says happens without anybody of ours."""
    return Actor(None, STRIPE, "", account_id)


async def find_key(connection: AsyncConnection, account_id: UUID, credential_id: UUID | None, address: str) -> Actor:
    """The key that acts, by its name."""
    table = tables.Credential
    named = select(table.name).where(table.account_id == account_id, table.id == credential_id)
    name = (await connection.execute(named)).scalar_one_or_none()
    return Actor(None, f"API key {name}" if name else "an API key", address, account_id)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did."""

    id: UUID
    account_id: UUID | None
    user_id: UUID | None
    actor: str
    action: str
    detail: dict[str, Any]
    address: str
    at: datetime

    @property
    def public_id(self) -> str:
        """``aud_…``."""
        return to_text(PREFIX, self.id)

    @property
    def words(self) -> str:
        """The action as people read it."""
        return WORDS.get(self.action, self.action.replace("_", " "))


_COLUMNS = [getattr(tables.AuditEntry, field.name) for field in fields(Entry)]


async def note(connection: AsyncConnection, actor: Actor, action: str, now: datetime, **detail: Any) -> None:
    """Add an entry in the caller's transaction, so that it is there exactly when the act is."""
    values = {
        "id": new_id(),
        "account_id": actor.account_id,
        "user_id": actor.user_id,
        "actor": actor.email,
        "action": action,
        "detail": detail,
        "address": actor.address,
        "at": now,
    }
    await connection.execute(insert(tables.AuditEntry).values(values))


async def list_entries(connection: AsyncConnection, account_id: UUID, cursor: Cursor) -> Page[Entry]:
    """One page of what was done in an account, the newest first."""
    statement = select(*_COLUMNS).where(tables.AuditEntry.account_id == account_id)
    return (await read_page(connection, statement, tables.AuditEntry.id, cursor)).map(_entry)


async def list_own_entries(connection: AsyncConnection, user_id: UUID, cursor: Cursor) -> Page[Entry]:
    """One page of what a user did with their own log-in."""
    table = tables.AuditEntry
    statement = select(*_COLUMNS).where(table.user_id == user_id, table.account_id.is_(None))
    return (await read_page(connection, statement, table.id, cursor)).map(_entry)


def _entry(row: Any) -> Entry:
    return Entry(**row._mapping)
