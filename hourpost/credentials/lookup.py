"""One joined query from the hash of a token to what its bearer may do."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from hourpost.database import HOT_SECONDS, HotStatement
from hourpost.rules.plans import hourly_limit
from hourpost.rules.submission import SendingDomain, Standing

_MOST_FILED_FOR = 1000
# As text: it is read by those alone who have mailboxes
_FILES_FOR = (
    "(SELECT string_agg(f.address || ' ' || f.mailbox_id, chr(10)) FROM ("  # noqa: S608
    "SELECT o.address, o.mailbox_id FROM mailbox_addresses o JOIN mailboxes m ON m.id = o.mailbox_id"
    " WHERE o.account_id = a.id AND o.kind <> 'catch_all' AND m.files_sent AND m.deleted_at IS NULL"
    f" LIMIT {_MOST_FILED_FOR}) f)"
)
_WHAT_IT_MAY = (
    "  a.plan, a.own_limit, a.suspended_at, a.lapsed_at, d.id AS verified_id, d.name AS verified_name,"
    "  coalesce(d.dkim_seen_at, d.dkim_ed25519_seen_at) AS dkim_seen_at"
)
_BY_HASH = HotStatement(
    "SELECT c.id, c.account_id, c.kind, c.scope, c.test, c.domain_id, c.expires_at, c.username, c.token_sha256,"  # noqa: S608
    f" CASE WHEN c.files_sent AND NOT c.test THEN {_FILES_FOR} END AS files_for,"
    f" {_WHAT_IT_MAY} FROM credentials c JOIN accounts a ON a.id = c.account_id"
    " LEFT JOIN domains d ON d.account_id = c.account_id AND d.status = 'verified'"
    " WHERE c.token_sha256 = :hash AND c.revoked_at IS NULL",
    seconds=HOT_SECONDS,
)
_BY_ACCOUNT = HotStatement(
    "SELECT CAST(NULL AS uuid) AS id, a.id AS account_id, 'person' AS kind, 'full' AS scope, false AS test,"  # noqa: S608
    "  CAST(NULL AS uuid) AS domain_id, CAST(NULL AS timestamptz) AS expires_at,"
    f" {_FILES_FOR} AS files_for, {_WHAT_IT_MAY} FROM accounts a"
    " LEFT JOIN domains d ON d.account_id = a.id AND d.status = 'verified'"
    " WHERE a.id = :account ORDER BY d.id",
    seconds=HOT_SECONDS,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a token leads to; ``username`` is that of an SMTP credential."""

    credential_id: UUID | None
    username: str | None
    standing: Standing


async def find_standing(connection: asyncpg.Connection, token_sha256: bytes) -> Found | None:
    """The credential with this hash unless it is revoked; whether it has expired is left to the caller."""
    rows = await _BY_HASH.run(connection, {"hash": token_sha256})
    if not rows or not hmac.compare_digest(rows[0].token_sha256, token_sha256):
        return None
    return Found(rows[0].id, rows[0].username, _standing(rows[0], _domains(rows)))


async def find_account_standing(connection: asyncpg.Connection, account_id: UUID) -> Found | None:
    """What an account itself may do, for who acts for it without a credential."""
    rows = await _BY_ACCOUNT.run(connection, {"account": account_id})
    return Found(None, None, _standing(rows[0], _domains(rows))) if rows else None


def _standing(row: Any, domains: dict[str, SendingDomain]) -> Standing:
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
        files_for=_files_for(row.files_for),
    )


def _domains(rows: Any) -> dict[str, SendingDomain]:
    return {
        row.verified_name: SendingDomain(row.verified_id, row.verified_name, row.dkim_seen_at is not None)
        for row in rows
        if row.verified_id is not None
    }


def _files_for(listed: str | None) -> dict[str, UUID]:
    pairs = (line.rpartition(" ") for line in listed.split("\n")) if listed else ()
    return {address: UUID(mailbox_id) for address, _, mailbox_id in pairs}
