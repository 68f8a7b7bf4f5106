"""SQLAlchemy classes, one file per noun: columns and indexes, no behaviour.

Queries, rules and anything that changes a row belong to the nouns and to the flow.
"""

from hourpost.tables.accounts import Account, Hour, Membership, Spend, User
from hourpost.tables.credentials import Credential
from hourpost.tables.deliveries import Attempt, Delivery, Event, Worker
from hourpost.tables.domains import Domain
from hourpost.tables.emails import ContentChunk, Email, IdempotencyKey
from hourpost.tables.metadata import Table, metadata
from hourpost.tables.suppressions import Suppression

__all__ = [
    "Account",
    "Attempt",
    "ContentChunk",
    "Credential",
    "Delivery",
    "Domain",
    "Email",
    "Event",
    "Hour",
    "IdempotencyKey",
    "Membership",
    "Spend",
    "Suppression",
    "Table",
    "User",
    "Worker",
    "metadata",
]
