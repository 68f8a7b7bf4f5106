"""One joined query from the hash of a token to what its bearer may do."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.errors import NotFound
from hourpost.rules.plans import hourly_limit
from hourpost.rules.submission import SendingDomain, Standing

_WHAT_IT_MAY = (
    "  a.plan, a.own_limit, a.suspended_at, a.lapsed_at, d.id AS verified_id, d.name AS verified_name, d.dkim_seen_at"
)
_BY_HASH = text(
    "SELECT c.id, c.account_id, c.kind, c.scope, c.test, c.domain_id, c.expires_at, c.username, c.token_sha256,"  # noqa: S608
    f" {_WHAT_IT_MAY} FROM credentials c JOIN accounts a ON a.id = c.account_id"
    " LEFT JOIN domains d ON d.account_id = c.account_id AND d.status = 'verified'"
    " WHERE c.token_sha256 = :hash AND c.revoked_at IS NULL"
)
_BY_ACCOUNT = text(
    "SELECT CAST(NULL AS uuid) AS id, a.id AS account_id, 'person' AS kind, 'full' AS scope, false AS test,"  # noqa: S608
    "  CAST(NULL AS uuid) AS domain_id, CAST(NULL AS timestamptz) AS expires_at,"
    f" {_WHAT_IT_MAY} FROM accounts a LEFT JOIN domains d ON d.account_id = a.id AND d.status = 'verified'"
    " WHERE a.id = :account ORDER BY d.id"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a token leads to; ``username`` is that of an SMTP credential."""

    credential_id: UUID
    username: str | None
    standing: Standing


async def find_standing(connection: AsyncConnection, token_sha256: bytes) -> Found | None:
    """The credential with this hash unless it is revoked; whether it has expired is left to the caller."""
    rows = (await connection.execute(_BY_HASH, {"hash": token_sha256})).all()
    if not rows or not hmac.compare_digest(rows[0].token_sha256, token_sha256):
        return None
    return Found(rows[0].id, rows[0].username, _standing(rows[0], _domains(rows)))


async def get_standing(connection: AsyncConnection, account_id: UUID) -> Standing:
    """What the account itself may do, for who acts for it without a credential. Raises: NotFound."""
    rows = (await connection.execute(_BY_ACCOUNT, {"account": account_id})).all()
    if not rows:
        raise NotFound("There is no such account.")
    return _standing(rows[0], _domains(rows))


def _standing(row: Row[Any], domains: dict[str, SendingDomain]) -> Standing:
    return Standing(
        account_id=row.account_id,
        credential_id=row.id,
        kind=row.kind,
        scope=row.scope,
        test=row.test,
        plan=row.plan,
        limit=hourly_limit(row.plan, row.own_limit),
        suspended=row.suspended_at is not None,
        lapsed=row.lapsed_at is not None,
        only_domain_id=row.domain_id,
        domains=domains,
        expires_at=row.expires_at,
    )


def _domains(rows: Any) -> dict[str, SendingDomain]:
    return {
        row.verified_name: SendingDomain(row.verified_id, row.verified_name, row.dkim_seen_at is not None)
        for row in rows
        if row.verified_id is not None
    }
