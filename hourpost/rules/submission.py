"""What a door hands to the flow, and what the flow hands back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from hourpost.errors import HourpostError
from hourpost.rules.delivery_state import State
from hourpost.rules.reach import Reach

MAX_RECIPIENTS = 50
MAX_MESSAGE_BYTES = 40 * 1024 * 1024
MAX_BATCH = 1000


class OnLimit(StrEnum):
    """What to do with what finds no room in the hour."""

    QUEUE = "queue"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class SendingDomain:
    """A verified domain of an account."""

    id: UUID
    name: str
    signs: bool  # its DKIM record was seen


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is sending and what they may do: a credential and its account, as of a few seconds ago at most.

    ``addresses``: the only ones to send as, of a mailbox; None where any of a domain will do. ``files_for``: whose
    Sent folder shows what is sent from an address.
    """

    account_id: UUID
    credential_id: UUID | None
    kind: str  # api_key, smtp, mailbox, person, operator
    scope: str  # full, sending, reading
    test: bool
    plan: str | None
    limit: int  # deliveries in any 60 minutes; 0 without a plan
    suspended: bool
    only_domain_id: UUID | None  # the credential's restriction
    domains: dict[str, SendingDomain] = field(default_factory=dict)  # verified ones, by name
    expires_at: datetime | None = None
    lapsed: bool = False  # the plan has ended unpaid
    addresses: frozenset[str] | None = None
    files_for: dict[str, UUID] = field(default_factory=dict)  # mailboxes by address

    @property
    def reach(self) -> Reach:
        """How much of the account it reaches."""
        only = self.only_domain_id
        name = next((one.name for one in self.domains.values() if one.id == only), "") if only is not None else ""
        return Reach(self.test, only, name)

    def key_within(self, idempotency_key: str | None) -> str | None:
        """The idempotency key as it is stored: tests have keys of their own, or one would swallow the live email."""
        return f"test\n{idempotency_key}" if self.test and idempotency_key else idempotency_key

    def may_send_as(self, address: str) -> bool:
        """Whether ``address`` (local@domain) is one to send as; its domain is looked at apart."""
        return self.addresses is None or address.lower() in self.addresses

    def sending_domain(self, name: str) -> SendingDomain | None:
        """The verified domain that this credential may send from, or None. ``name`` is normalised."""
        domain = self.domains.get(name)
        if domain is None or (self.only_domain_id is not None and domain.id != self.only_domain_id):
            return None
        return domain


class Submission(NamedTuple):
    """One email on its way in: checked by its door, its bytes final."""

    email_id: UUID
    source: str  # api, smtp
    envelope_from: str  # "" is the null sender
    recipients: tuple[str, ...]  # local@domain, at most MAX_RECIPIENTS, no doubles
    header_from: str
    from_address: str
    domain_id: UUID | None
    subject: str
    message_id: str
    content: bytes  # canonical
    parts: dict[str, Any]
    tags: list[dict[str, str]] | None = None
    metadata: dict[str, Any] | None = None
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    on_limit: OnLimit = OnLimit.QUEUE
    place: str = ""  # where it stands in what its door was given: a JSON pointer


@dataclass(frozen=True, slots=True)
class Order:
    """What is stored as a whole or not at all: one email, or a strict batch; a key covers all of it.

    A partial batch leaves out those of its emails that are refused: ``tell`` is how its door tells of one in ``errors``
    (with its ``index``).
    """

    standing: Standing
    submissions: tuple[Submission, ...]
    idempotency_key: str | None = None
    body_sha256: bytes = b""
    errors: tuple[dict[str, Any], ...] = ()  # of a partial batch; kept for replays
    tell: Callable[[Submission, HourpostError], dict[str, Any]] | None = None  # of a partial batch only


@dataclass(frozen=True, slots=True)
class Usage:
    """The hour of an account. ``resets_in_seconds``: until the next token comes back, 0 when none is out."""

    limit: int
    used: int
    remaining: int
    held: int
    resets_in_seconds: int


class Placed(NamedTuple):
    """What became of one submission: the state of each recipient, and when the last of them leaves."""

    email_id: UUID
    message_id: str
    recipients: tuple[tuple[str, State], ...]
    held_by: str | None  # plan, schedule
    estimated_send_at: datetime | None
    expires_at: datetime | None = None

    @property
    def is_too_late(self) -> bool:
        """Whether the last of them would leave after the email has expired, as things are now."""
        return None not in (self.expires_at, self.estimated_send_at) and self.estimated_send_at > self.expires_at  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to an order, in its order."""

    placed: tuple[Placed, ...]
    usage: Usage | None  # None while Redis is away, and for test mode
    replayed: bool = False
    errors: tuple[dict[str, Any], ...] = ()
