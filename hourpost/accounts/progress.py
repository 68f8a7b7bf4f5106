"""Progress: what an account has done of what comes first."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_PROGRESS = text(
    """
SELECT EXISTS (SELECT 1 FROM domains WHERE account_id = :account) AS has_domain,
  EXISTS (SELECT 1 FROM domains WHERE account_id = :account AND status = 'verified') AS has_verified_domain,
  EXISTS (SELECT 1 FROM credentials WHERE account_id = :account AND revoked_at IS NULL) AS has_credential,
  EXISTS (SELECT 1 FROM emails WHERE account_id = :account) AS has_sent,
  EXISTS (SELECT 1 FROM accounts WHERE id = :account AND plan IS NOT NULL) AS has_plan
"""
)


@dataclass(frozen=True, slots=True)
class Progress:
    """What is done already; every part of it is seen in one index probe."""

    has_domain: bool
    has_verified_domain: bool
    has_credential: bool
    has_sent: bool
    has_plan: bool

    @property
    def is_complete(self) -> bool:
        """Whether nothing of it is left."""
        return self.has_verified_domain and self.has_credential and self.has_sent and self.has_plan


async def read_progress(connection: AsyncConnection, account_id: UUID) -> Progress:
    """How far the account is."""
    return Progress(*(await connection.execute(_PROGRESS, {"account": account_id})).one())
