"""Who a login is: one statement each from an address, a token or a list of sessions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HOT_SECONDS, HotStatement
from hourpost.gateways.encryption import Cipher
from hourpost.mailboxes.app_passwords import Service
from hourpost.mailboxes.scram_keys import open_keys
from hourpost.rules.scram import ScramKeys


@dataclass(frozen=True, slots=True)
class MailboxLogin:
    """Somebody who may be in a mailbox. ``address`` is the mailbox's own; ``addresses`` what it may send as.

    ``app_password_id`` is None for who came with the mailbox's own password.
    """

    mailbox_id: UUID
    account_id: UUID
    address: str
    addresses: tuple[str, ...]
    service: Service
    app_password_id: UUID | None
    access_generation: int
    files_sent: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who a password may let in: what it is compared with, and whether keys for SCRAM were made of it."""

    login: MailboxLogin
    password_hash: str = field(repr=False)
    salt: bytes = field(repr=False)
    has_keys: bool


@dataclass(frozen=True, slots=True)
class ScramCandidate:
    """A password that a SCRAM proof may be of: the mailbox's own, or an app's."""

    login: MailboxLogin
    keys: ScramKeys = field(repr=False)


# Where a domain has changed hands both accounts may have the address: the one that has verified it comes first.
_MAILBOX = """
SELECT m.id, m.account_id, m.address, m.access_generation, m.files_sent, m.password_hash, m.scram_salt, m.scram_keys,
  ARRAY(SELECT o.address FROM mailbox_addresses o WHERE o.mailbox_id = m.id AND o.kind = 'alias') AS aliases{columns}
FROM mailbox_addresses a
JOIN mailboxes m ON m.id = a.mailbox_id AND m.deleted_at IS NULL{joins}
LEFT JOIN domains d ON d.name = a.domain AND d.account_id = a.account_id AND d.status = 'verified'
WHERE a.address = :address AND a.kind <> 'catch_all'{conditions}
ORDER BY d.id IS NULL, a.account_id
"""
_BY_ADDRESS = HotStatement(_MAILBOX.format(columns="", joins="", conditions="") + " LIMIT 1", seconds=HOT_SECONDS)
_BY_TOKEN = HotStatement(
    _MAILBOX.format(
        columns=", p.id AS app_password_id, p.stored_key",
        joins=" JOIN app_passwords p ON p.mailbox_id = m.id",
        conditions=" AND p.token_sha256 = :token AND p.revoked_at IS NULL AND :service = ANY(p.scopes)",
    ),
    seconds=HOT_SECONDS,
)
_WITH_KEYS = HotStatement(
    _MAILBOX.format(
        columns=", p.id AS app_password_id, p.stored_key, p.server_key",
        joins=" LEFT JOIN app_passwords p ON p.mailbox_id = m.id AND p.revoked_at IS NULL AND :service = ANY(p.scopes)"
        " AND p.stored_key IS NOT NULL",
        conditions="",
    ),
    seconds=HOT_SECONDS,
)
_STANDING = HotStatement(
    "SELECT m.id, m.access_generation,"
    " ARRAY(SELECT p.id FROM app_passwords p WHERE p.mailbox_id = m.id AND p.revoked_at IS NULL) AS app_passwords"
    " FROM mailboxes m WHERE m.id = ANY(CAST(:mailboxes AS uuid[])) AND m.deleted_at IS NULL",
    seconds=HOT_SECONDS,
)


async def find_by_address(connection: Connection, address: str, service: Service) -> Candidate | None:
    """The mailbox with this address or alias."""
    rows = await _BY_ADDRESS.run(connection, {"address": address})
    return _candidate(rows[0], service, None, has_keys=rows[0].scram_keys is not None) if rows else None


async def find_by_token(
    connection: Connection, address: str, token_sha256: bytes, service: Service
) -> Candidate | None:
    """The mailbox with this address whose app password has this hash, for a service within its scopes."""
    arguments = {"address": address, "token": token_sha256, "service": service.value}
    rows = await _BY_TOKEN.run(connection, arguments)
    if not rows:
        return None
    return _candidate(rows[0], service, rows[0].app_password_id, has_keys=rows[0].stored_key is not None)


async def list_scram_candidates(
    connection: Connection, address: str, service: Service, cipher: Cipher
) -> tuple[bytes, list[ScramCandidate]] | None:
    """The salt of this address and whose proof may come, the mailbox's own first; None where nobody has it."""
    rows = await _WITH_KEYS.run(connection, {"address": address, "service": service.value})
    if not rows:
        return None
    first = rows[0]
    keys = open_keys(cipher, first.scram_keys, first.scram_salt) if first.scram_keys else None
    own = [ScramCandidate(_login(first, service, None), keys)] if keys else []
    of_apps = [
        ScramCandidate(_login(row, service, row.app_password_id), ScramKeys(row.stored_key, row.server_key))
        for row in rows
        if row.id == first.id and row.app_password_id is not None
    ]
    return first.scram_salt, own + of_apps


async def find_ended(connection: Connection, logins: Iterable[MailboxLogin]) -> set[MailboxLogin]:
    """Those of ``logins`` whose password or mailbox is no longer what they came in with."""
    asked = list(logins)
    rows = await _STANDING.run(connection, {"mailboxes": list({one.mailbox_id for one in asked})})
    standing = {row.id: row for row in rows}
    return {one for one in asked if not _stands(one, standing.get(one.mailbox_id))}


def _stands(login: MailboxLogin, row: Any) -> bool:
    if row is None:
        return False
    if login.app_password_id is not None:
        return login.app_password_id in row.app_passwords
    return bool(login.access_generation == row.access_generation)


def _candidate(row: Any, service: Service, app_password_id: UUID | None, *, has_keys: bool) -> Candidate:
    return Candidate(_login(row, service, app_password_id), row.password_hash, row.scram_salt, has_keys)


def _login(row: Any, service: Service, app_password_id: UUID | None) -> MailboxLogin:
    return MailboxLogin(
        mailbox_id=row.id,
        account_id=row.account_id,
        address=row.address,
        addresses=(row.address, *row.aliases),
        service=service,
        app_password_id=app_password_id,
        access_generation=row.access_generation,
        files_sent=row.files_sent,
    )
