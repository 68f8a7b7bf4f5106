"""Roles of people in an account, and what each may do."""

from __future__ import annotations

from enum import StrEnum


class May(StrEnum):
    """One thing that a role may or may not do."""

    READ = "read"
    """Look at emails, deliveries, domains, suppressions, mailboxes."""
    SEND = "send"
    """Send a test, send again, cancel, reschedule; change suppressions."""
    DEVELOP = "develop"
    """Domains, keys, SMTP credentials, webhooks, mailboxes."""
    BILL = "bill"
    """The plan, invoices, the way of paying."""
    MANAGE = "manage"
    """Members, invitations, the account's name, the audit log."""
    OWN = "own"
    """Export and delete the account, make somebody else an owner."""


class Role(StrEnum):
    """A user's role in an account."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"
    BILLING = "billing"


ALLOWED: dict[Role, frozenset[May]] = {
    Role.OWNER: frozenset(May),
    Role.ADMIN: frozenset(May) - {May.OWN},
    Role.DEVELOPER: frozenset({May.READ, May.SEND, May.DEVELOP}),
    Role.VIEWER: frozenset({May.READ}),
    Role.BILLING: frozenset({May.BILL}),
}
WORDS: dict[Role, str] = {
    Role.OWNER: "Everything, and deleting the account.",
    Role.ADMIN: "Everything but deleting the account and naming owners.",
    Role.DEVELOPER: "Emails, domains, keys, mailboxes. No plan, no members.",
    Role.VIEWER: "Looks at everything that is sent and changes nothing.",
    Role.BILLING: "The plan, invoices and the way of paying. Sees no emails.",
}


def is_allowed(role: Role, thing: May) -> bool:
    """Whether ``role`` may do ``thing``."""
    return thing in ALLOWED[role]
