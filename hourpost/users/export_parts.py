"""What an account's export holds, table by table, and what it leaves out and why. A new table is named here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Table

from hourpost import tables


@dataclass(frozen=True, slots=True)
class Part:
    """One list of the document: some columns of one table, in the order of ``key``.

    ``parent`` is the column that names the row of another part, for a table that names no account itself; the key
    orders the rows of one parent then. ``prefix`` is that of the ids of its own.
    """

    name: str
    table: Table
    columns: tuple[str, ...]
    key: tuple[str, ...] = ("id",)
    prefix: str = ""
    parent: str = ""


def _table_of(declared: type[tables.Table]) -> Table:
    return cast(Table, declared.__table__)


def _part(name: str, table: type[tables.Table], columns: str, **more: Any) -> Part:
    return Part(name, _table_of(table), tuple(columns.split()), **more)


PARENTS = {
    "email_id": _table_of(tables.Email),
    "mailbox_id": _table_of(tables.Mailbox),
    "webhook_id": _table_of(tables.Webhook),
}
"""Whose rows they are that name no account."""

ID_PREFIXES = {"email_id": "em", "mailbox_id": "mbx", "webhook_id": "whk", "event_id": "evt", "domain_id": "dom"}
"""Of ids that name rows of other parts."""

PARTS = (
    _part(
        "domains",
        tables.Domain,
        "id name status signs_ed25519 verified_at created_at",
        prefix="dom",
    ),
    _part(
        "credentials",
        tables.Credential,
        "id kind name hint username scope test files_sent domain_id expires_at last_used_at revoked_at created_at",
    ),
    _part("suppressions", tables.Suppression, "id address reason email_id created_at", prefix="sup"),
    _part(
        "mailboxes",
        tables.Mailbox,
        "id address name quota_bytes used_bytes forward_to keeps_forwarded files_sent signature auto_reply deleted_at"
        " created_at",
        prefix="mbx",
    ),
    _part("mailbox_addresses", tables.MailboxAddress, "address mailbox_id kind created_at", key=("address",)),
    _part(
        "app_passwords",
        tables.AppPassword,
        "id mailbox_id name hint scopes last_used_at revoked_at created_at",
        prefix="apw",
        parent="mailbox_id",
    ),
    _part(
        "folders",
        tables.Folder,
        "id mailbox_id name special_use subscribed messages unseen size_bytes created_at",
        prefix="fld",
        parent="mailbox_id",
    ),
    _part("webhooks", tables.Webhook, "id endpoint kinds disabled_at disabled_reason created_at", prefix="whk"),
    _part(
        "webhook_calls",
        tables.WebhookCall,
        "webhook_id event_id email_id kind state attempts created_at",
        key=("event_id",),
        parent="webhook_id",
    ),
    _part(
        "webhook_attempts",
        tables.WebhookAttempt,
        "id webhook_id event_id status response seconds sent_at",
        key=("event_id", "id"),
        prefix="att",
        parent="webhook_id",
    ),
    _part("inbound_routes", tables.InboundRoute, "id pattern webhook_id created_at", prefix="rte"),
    _part(
        "inbound_emails",
        tables.InboundEmail,
        "id recipient envelope_from header_from subject message_id authentication size_bytes received_at",
        prefix="in",
    ),
    _part(
        "emails",
        tables.Email,
        "id source test domain_id envelope_from header_from subject message_id parts tags metadata size_bytes"
        " scheduled_at created_at",
        prefix="em",
    ),
    _part(
        "deliveries",
        tables.Delivery,
        "email_id position address state attempts changed_at",
        key=("position",),
        parent="email_id",
    ),
    _part(
        "attempts",
        tables.Attempt,
        "email_id position number outcome relay stage code enhanced reply tls started_at seconds",
        key=("position", "number"),
        parent="email_id",
    ),
    _part("events", tables.Event, "id email_id position kind at detail", prefix="evt", parent="email_id"),
    _part("counts", tables.Tally, "started_at kind count", key=("started_at", "kind")),
    _part("busiest_hours", tables.HourPeak, "day used hourly_limit at", key=("day",)),
    _part("entitlements", tables.Entitlement, "plan status ends_at past_due_at changed_at", key=("account_id",)),
    _part("customers", tables.Customer, "id created_at deleted_at"),
    _part(
        "subscriptions",
        tables.PlanSubscription,
        "id status plan amount_cents period_start period_end ends_at next_plan next_plan_at pending_plan created_at",
    ),
    _part(
        "invoices",
        tables.Invoice,
        "id number status total_cents due_cents refunded_cents is_disputed currency url pdf_url created_at",
    ),
    _part(
        "billing_notices",
        tables.BillingNotice,
        "kind subject created_at mailed_at",
        key=("kind", "subject"),
    ),
    _part("invitations", tables.Invitation, "id email role created_at expires_at", prefix="inv"),
    _part("audit_log", tables.AuditEntry, "id actor action detail address at", prefix="aud"),
)

_READ_BY_IMAP = "the mail in a mailbox is its reader's: an IMAP client takes all of it along"
_A_PERSON_S = "belongs to a person, who may be in other accounts too"
_OURS = "keeps this installation running and says nothing of an account"

LEFT_OUT = {
    "content_chunks": "the sources of emails are files: each is at /v1/emails/{id}/raw while it is kept",
    "messages": _READ_BY_IMAP,
    "message_contents": _READ_BY_IMAP,
    "message_texts": _READ_BY_IMAP,
    "surrogates": _READ_BY_IMAP,
    "expunges": "what was in a mailbox and is deleted",
    "thread_references": "found anew from the mail itself",
    "mailbox_keywords": "on the messages themselves, as IMAP shows them",
    "folder_subscriptions": "names that a mail program keeps for itself; folders say whether they are subscribed",
    "sent_copies": "whether a copy has reached the Sent folder, where it is to be seen",
    "unended_contents": _OURS,
    "idempotency_keys": "answers of the last 24 hours, to be given once more",
    "spends": "the running hour; what became of each email says more",
    "hours": "which bucket counts the running hour",
    "billing_alerts": "what those who run this installation are to look at",
    "stripe_events": "that Stripe has told something; what it told is among subscriptions and invoices",
    "users": "members tells their names and addresses; the rest is theirs",
    "sessions": _A_PERSON_S,
    "one_time_tokens": _A_PERSON_S,
    "passkeys": _A_PERSON_S,
    "recovery_codes": _A_PERSON_S,
    "auto_replied": "who was told lately that a mailbox answers by itself; those emails are in it",
    "mail_sessions": "browsers that are in a mailbox just now",
    "tally_marks": _OURS,
    "workers": _OURS,
}
"""Tables that are in no export, and why. Secrets, their digests and keys are columns that no part names."""
