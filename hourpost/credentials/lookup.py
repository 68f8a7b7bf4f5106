"""One joined query from the hashes of tokens to what their bearers may do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from hourpost.database import HOT_SECONDS, HotStatement
from hourpost.rules.plans import hourly_limit
from hourpost.rules.submission import SendingDomain, Standing

Key = TypeVar("Key")

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
# A short list that is given as it is would be planned anew each time, which takes thrice as long as to run it
_ONE_OF = "ANY(ARRAY(SELECT unnest(CAST(:{} AS {}[]))))".format
_BY_HASH = HotStatement(
    "SELECT c.id, c.account_id, c.kind, c.scope, c.test, c.domain_id, c.expires_at, c.username, c.token_sha256,"  # noqa: S608
    f" CASE WHEN c.files_sent AND NOT c.test THEN {_FILES_FOR} END AS files_for,"
    f" {_WHAT_IT_MAY} FROM credentials c JOIN accounts a ON a.id = c.account_id"
    " LEFT JOIN domains d ON d.account_id = c.account_id AND d.status = 'verified'"
    f" WHERE c.token_sha256 = {_ONE_OF('hashes', 'bytea')} AND c.revoked_at IS NULL",
    seconds=HOT_SECONDS,
)
_BY_ACCOUNT = HotStatement(
    "SELECT CAST(NULL AS uuid) AS id, a.id AS account_id, 'person' AS kind, 'full' AS scope, false AS test,"  # noqa: S608
    "  CAST(NULL AS uuid) AS domain_id, CAST(NULL AS timestamptz) AS expires_at,"
    f" {_FILES_FOR} AS files_for, {_WHAT_IT_MAY} FROM accounts a"
    " LEFT JOIN domains d ON d.account_id = a.id AND d.status = 'verified'"
    f" WHERE a.id = {_ONE_OF('accounts', 'uuid')} ORDER BY d.id",
    seconds=HOT_SECONDS,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a token leads to; ``username`` is that of an SMTP credential."""

    credential_id: UUID | None
    username: str | None
    standing: Standing


async def find_standings(connection: asyncpg.Connection, hashes: Sequence[bytes]) -> list[Found | None]:
    """For each hash its credential unless it is revoked; whether it has expired is left to the caller."""
    found = _by(attrgetter("token_sha256"), await _BY_HASH.run(connection, {"hashes": hashes}))
    credentials = {token_sha256: _credential(rows) for token_sha256, rows in found.items()}
    return [credentials.get(token_sha256) for token_sha256 in hashes]


async def find_account_standings(connection: asyncpg.Connection, accounts: Sequence[UUID]) -> list[Found | None]:
    """For each account what it may do itself, for who acts for it without a credential."""
    found = _by(attrgetter("account_id"), await _BY_ACCOUNT.run(connection, {"accounts": accounts}))
    standings = {account: Found(None, None, _standing(rows)) for account, rows in found.items()}
    return [standings.get(account) for account in accounts]


def _by(key: Callable[[Any], Key], rows: Iterable[Any]) -> dict[Key, list[Any]]:
    """The rows of each, of which there is one for every verified domain."""
    found: dict[Key, list[Any]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def _credential(rows: Sequence[Any]) -> Found:
    return Found(rows[0].id, rows[0].username, _standing(rows))


def _standing(rows: Sequence[Any]) -> Standing:
    row = rows[0]
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
        domains=_domains(rows),
        expires_at=row.expires_at,
        files_for=_files_for(row.files_for),
    )


def _domains(rows: Iterable[Any]) -> dict[str, SendingDomain]:
    return {
        row.verified_name: SendingDomain(row.verified_id, row.verified_name, row.dkim_seen_at is not None)
        for row in rows
        if row.verified_id is not None
    }


def _files_for(listed: str | None) -> dict[str, UUID]:
    pairs = (line.rpartition(" ") for line in listed.split("\n")) if listed else ()
    return {address: UUID(mailbox_id) for address, _, mailbox_id in pairs}
