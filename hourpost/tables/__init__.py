"""SQLAlchemy classes, one file per noun: columns and indexes, no behaviour.

Queries, rules and anything that changes a row belong to the nouns and to the flow.
"""

from hourpost.tables.accounts import Account, Hour, Membership, Spend, User
from hourpost.tables.billing import (
    BillingAlert,
    BillingNotice,
    Customer,
    Entitlement,
    HourPeak,
    Invoice,
    PlanSubscription,
    StripeEvent,
)
from hourpost.tables.credentials import Credential
from hourpost.tables.deliveries import Attempt, Delivery, Event, Worker
from hourpost.tables.domains import Domain
from hourpost.tables.emails import ContentChunk, Email, IdempotencyKey
from hourpost.tables.inbound import InboundEmail, InboundRoute, SentCopy
from hourpost.tables.mailboxes import (
    AppPassword,
    AutoReplied,
    Folder,
    Keyword,
    Mailbox,
    MailboxAddress,
    MailSession,
    Subscription,
)
from hourpost.tables.messages import (
    Expunge,
    Message,
    MessageContent,
    MessageText,
    ThreadReference,
    UnendedContent,
)
from hourpost.tables.metadata import Table, metadata
from hourpost.tables.suppressions import Suppression
from hourpost.tables.tallies import Tally, TallyMark
from hourpost.tables.users import AuditEntry, Invitation, OneTimeToken, Passkey, RecoveryCode, Session
from hourpost.tables.webhooks import Webhook, WebhookAttempt, WebhookCall

__all__ = [
    "Account",
    "AppPassword",
    "Attempt",
    "AuditEntry",
    "AutoReplied",
    "BillingAlert",
    "BillingNotice",
    "ContentChunk",
    "Credential",
    "Customer",
    "Delivery",
    "Domain",
    "Email",
    "Entitlement",
    "Event",
    "Expunge",
    "Folder",
    "Hour",
    "HourPeak",
    "IdempotencyKey",
    "InboundEmail",
    "InboundRoute",
    "Invitation",
    "Invoice",
    "Keyword",
    "MailSession",
    "Mailbox",
    "MailboxAddress",
    "Membership",
    "Message",
    "MessageContent",
    "MessageText",
    "OneTimeToken",
    "Passkey",
    "PlanSubscription",
    "RecoveryCode",
    "SentCopy",
    "Session",
    "Spend",
    "StripeEvent",
    "Subscription",
    "Suppression",
    "Table",
    "Tally",
    "TallyMark",
    "ThreadReference",
    "UnendedContent",
    "User",
    "Webhook",
    "WebhookAttempt",
    "WebhookCall",
    "Worker",
    "metadata",
]
