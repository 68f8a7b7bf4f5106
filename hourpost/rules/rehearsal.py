"""Rehearsal: which end an email of test mode comes to, by the address that it is for.

At a domain that is nobody's (``.test`` and ``.example``, RFC 2606), or at Resend's, for clients written for it.
"""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """What is rehearsed; each is a local part."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DEFERRED = "deferred"
    COMPLAINED = "complained"
    SUPPRESSED = "suppressed"


def find_ending(address: str) -> Ending | None:
    """The one that is asked for, as ``bounced+label@acme.test`` does; None for all other addresses."""
    local, _, domain = address.lower().rpartition("@")
    if not domain.endswith((".test", ".example")) and domain != "resend.dev":
        return None
    return _ENDINGS.get(local.partition("+")[0])


_ENDINGS = {one.value: one for one in Ending}
