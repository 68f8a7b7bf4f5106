"""Senders: whether an email may still be sent from its addresses, asked of the rows when it is about to leave."""

from __future__ import annotations

NOT_VERIFIED = "the domain that it is from is not verified for this account any more"

_DOMAIN = "lower(split_part(e.{address}, '@', -1))"
_LOST = (
    "NOT EXISTS (SELECT FROM domains o WHERE o.account_id = e.account_id"
    f" AND o.name = {_DOMAIN} AND o.status = 'verified')"
)
_OTHER = f"{_DOMAIN.format(address='envelope_from')} <> {_DOMAIN.format(address='from_address')}"
# Mostly both are of one domain: with many accounts each look into the index is one into cold memory.
# What goes on from a mailbox has its sender's address in From; of all else both addresses are the account's own.
IS_HOMELESS = (
    "e.source IN ('api', 'smtp', 'mailbox') AND ("
    f"{_LOST.format(address='from_address')}"
    f" OR e.envelope_from <> '' AND {_OTHER} AND {_LOST.format(address='envelope_from')})"
)
"""Of an email ``e``, in SQL: one of its domains was deleted, or is not verified for its account any more."""
