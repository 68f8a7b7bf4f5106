"""Which kinds of events there are to be told, under the names that clients of Resend know."""

from __future__ import annotations

from collections.abc import Collection, Iterable

KINDS: dict[str, tuple[str, ...]] = {
    "email.queued": ("queued",),
    "email.held": ("held",),
    "email.scheduled": ("scheduled",),
    "email.sent": ("sent",),
    "email.delivered": ("delivered",),
    "email.delivery_delayed": ("deferred", "unknown"),
    "email.bounced": ("bounced",),
    "email.complained": ("complained",),
    "email.suppressed": ("suppressed",),
    "email.failed": ("failed", "expired"),
    "email.canceled": ("canceled",),
    "email.received": ("received",),
    "email.replied": ("replied",),
    "webhook.disabled": ("webhook_disabled",),
}
"""The kinds of events that each type covers."""

TYPES = {kind: name for name, kinds in KINDS.items() for kind in kinds}


def kinds_of(types: Iterable[str]) -> list[str]:
    """The kinds that these types cover, in one order and without doubles. Raises: KeyError."""
    return sorted({kind for name in types for kind in KINDS[name]})


def types_of(kinds: Collection[str]) -> list[str]:
    """The types that cover these kinds."""
    return [name for name, covered in KINDS.items() if covered[0] in kinds]
