"""The errors that cross a border, as a tree; each door translates them once.

HourpostError
├── Refused                     permanent: the same request will be refused again
│   ├── ValidationFailed        422, every fault with its place
│   ├── MessageTooLarge         413
│   ├── NotAuthenticated        401
│   ├── Forbidden               403: an invalid key, a scope too small, a domain not verified
│   ├── NotFound                404, also for what belongs to somebody else
│   └── Conflict                409: an idempotency key used for something else, a state that does not allow it
└── Unavailable                 temporary: the same request may succeed later
    ├── LimitExceeded           429: plan, requests or backlog
    ├── MailboxFull             507: the mailbox has no room for it
    ├── IdempotencyInFlight     409: the first request with this key has not ended yet
    └── ServiceUnavailable      503: PostgreSQL, Redis or a relay is away
        ├── DiskFull            503: there is no room to store it
        └── RolledBack          503: others were at the same rows or tables, and nothing of it was done
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_TOLD = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: where (an RFC 6901 JSON pointer) and what."""

    pointer: str
    detail: str
    missing: bool = False


def in_short(details: Sequence[str]) -> str:
    """What is wrong in one line, for those who see no list: the first three, and how many more there are."""
    more = len(details) - _TOLD
    return "; ".join(details[:_TOLD]) + (f"; and {more} more" if more > 0 else "")


class HourpostError(Exception):
    """What a door may tell a client: a ``name``, a public text, and whether trying again makes sense."""

    name = "application_error"
    permanent = False

    def __init__(self, message: str, *, cause: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause


class Refused(HourpostError):
    """The same request will be refused again."""

    permanent = True


class ValidationFailed(Refused):
    """The request is not well-formed; ``faults`` holds all that is wrong with it."""

    name = "validation_error"

    def __init__(self, faults: list[Fault], message: str | None = None) -> None:
        super().__init__(message or in_short([fault.detail for fault in faults]))
        self.faults = faults


class MessageTooLarge(Refused):
    """The message is larger than we take."""

    name = "message_too_large"

    def __init__(self, message: str, *, faults: list[Fault] | None = None) -> None:
        super().__init__(message)
        self.faults = faults or []


class NotAuthenticated(Refused):
    """No credential was presented."""

    name = "missing_api_key"


class Forbidden(Refused):
    """The credential may not do this.

    ``name`` is one of invalid_api_key, restricted_api_key, domain_not_verified; of a link, invalid_access.
    """

    def __init__(self, name: str, message: str, *, faults: list[Fault] | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.faults = faults or []


class NotFound(Refused):
    """There is no such thing for this account."""

    name = "not_found"


class Conflict(Refused):
    """What exists does not allow it."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Unavailable(HourpostError):
    """The same request may succeed later; ``retry_after_seconds`` says when, if we know."""

    def __init__(self, message: str, *, retry_after_seconds: int | None = None, cause: str | None = None) -> None:
        super().__init__(message, cause=cause)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class Quota:
    """How full a limit is: so many in any ``window_seconds``, and until when the next is free."""

    name: str  # plan, requests
    limit: int
    window_seconds: int
    remaining: int
    resets_in_seconds: int


class LimitExceeded(Unavailable):
    """No room: ``limit`` is plan, requests or backlog; ``quota`` says how full it is, where that is known."""

    name = "rate_limit_exceeded"

    def __init__(self, limit: str, message: str, *, retry_after_seconds: int, quota: Quota | None = None) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.limit = limit
        self.quota = quota


class MailboxFull(Unavailable):
    """The mailbox has no room for it until something is deleted."""

    name = "mailbox_full"


class IdempotencyInFlight(Unavailable):
    """The first request with this idempotency key has not ended yet."""

    name = "concurrent_idempotent_requests"


class ServiceUnavailable(Unavailable):
    """A server that we need is away."""

    name = "service_unavailable"


class DiskFull(ServiceUnavailable):
    """The server that stores things has no room on its disk."""


class RolledBack(ServiceUnavailable):
    """PostgreSQL undid it for others who were at the same at that moment (a deadlock, say): nothing of it was done."""
