"""Making, changing and deleting mailboxes. The caller owns the transaction; its commit tells all processes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.notices import announce_change
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.mailboxes.addressing import add_address, check_domain, read_address, read_addresses
from hourpost.mailboxes.notices import announce_access
from hourpost.mailboxes.queries import Mailbox, get_mailbox
from hourpost.mailboxes.scram_keys import ScramSecret
from hourpost.mailboxes.wording import check_auto_reply, check_signature
from hourpost.rules.auto_reply import AutoReply
from hourpost.rules.folder_names import DEFAULT_FOLDERS
from hourpost.rules.ids import new_id
from hourpost.rules.visible import is_visible

DEFAULT_QUOTA_BYTES = 10 * 1024**3
MAX_QUOTA_BYTES = 10 * 1024**4
GRACE = timedelta(days=30)
"""How long a deleted mailbox can be had back."""
MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class NewMailbox:
    """A mailbox to be. ``password_hash`` is argon2id's, made by ``accounts.passwords`` before any transaction.

    Without ``scram`` its password is good for SCRAM from the first log-in by PLAIN on.
    """

    address: str
    password_hash: str = field(repr=False)
    name: str = ""
    quota_bytes: int = DEFAULT_QUOTA_BYTES
    aliases: tuple[str, ...] = ()
    catch_all: bool = False
    scram: ScramSecret | None = None


@dataclass(frozen=True, slots=True)
class MailboxSettings:
    """What may be set; None leaves as it is."""

    name: str | None = None
    quota_bytes: int | None = None
    forward_to: tuple[str, ...] | None = None
    keeps_forwarded: bool | None = None
    files_sent: bool | None = None
    signature: str | None = None


async def create_mailbox(connection: AsyncConnection, account_id: UUID, new: NewMailbox, now: datetime) -> Mailbox:
    """Store a mailbox with its folders.

    Raises: ValidationFailed; Forbidden (``domain_not_verified``); Conflict when the address is taken.
    """
    check_settings(new.name, new.quota_bytes)
    address = read_address(new.address, "/address")
    await check_domain(connection, account_id, address.domain, "/address")
    mailbox_id, salt = new_id(), os.urandom(16)
    row = {
        "id": mailbox_id,
        "account_id": account_id,
        "address": address.spec.lower(),
        "domain": address.domain,
        "name": new.name.strip(),
        "password_hash": new.password_hash,
        "scram_salt": salt,
        "scram_keys": None if new.scram is None else await new.scram.seal(salt),
        "quota_bytes": new.quota_bytes,
        "last_uidvalidity": int(now.timestamp()) + len(DEFAULT_FOLDERS),
        "created_at": now,
    }
    await connection.execute(insert(tables.Mailbox).values(row))
    await connection.execute(insert(tables.Folder), _default_folders(mailbox_id, now))
    await add_address(connection, (account_id, mailbox_id), address.spec, "primary", now)
    for alias in new.aliases:
        await add_alias(connection, account_id, mailbox_id, alias, now)
    if new.catch_all:
        await set_catch_all(connection, account_id, mailbox_id, wanted=True, now=now)
    await announce_change(connection, account_id)
    return await get_mailbox(connection, account_id, mailbox_id)


async def update_mailbox(
    connection: AsyncConnection, account_id: UUID, mailbox_id: UUID, settings: MailboxSettings
) -> Mailbox:
    """Change settings. Raises: NotFound, ValidationFailed."""
    check_settings(settings.name or "", DEFAULT_QUOTA_BYTES if settings.quota_bytes is None else settings.quota_bytes)
    check_signature(settings.signature or "")
    values: dict[str, Any] = {
        name: value
        for name in ("quota_bytes", "keeps_forwarded", "files_sent", "signature")
        if (value := getattr(settings, name)) is not None
    }
    if settings.name is not None:
        values["name"] = settings.name.strip()
    if settings.forward_to is not None:
        values["forward_to"] = read_addresses(settings.forward_to, "/forward_to")
        own = (await get_mailbox(connection, account_id, mailbox_id)).addresses
        _refuse_own(values["forward_to"], own)
    return await _update(connection, account_id, mailbox_id, values)


async def set_auto_reply(
    connection: AsyncConnection, account_id: UUID, mailbox_id: UUID, reply: AutoReply | None
) -> Mailbox:
    """Let it answer by itself, or no longer. Raises: NotFound, ValidationFailed."""
    if reply is not None:
        check_auto_reply(reply)
    changed = await _update(connection, account_id, mailbox_id, {"auto_reply": reply and reply.to_row()})
    told = tables.AutoReplied  # who was told something else hears of this, too (RFC 5230 §4.2)
    await connection.execute(delete(told).where(told.mailbox_id == mailbox_id))
    return changed


def _refuse_own(forward_to: list[str], own: tuple[str, ...]) -> None:
    """It would have all its mail twice, and the copy would be of the hour's."""
    mine = {address.lower() for address in own}
    for index, address in enumerate(forward_to):
        if address.lower() in mine:
            raise ValidationFailed([Fault(f"/forward_to/{index}", f"{address} is this mailbox itself")])


async def set_password(
    connection: AsyncConnection,
    account_id: UUID,
    mailbox_id: UUID,
    password_hash: str,
    scram: ScramSecret | None = None,
) -> Mailbox:
    """Give it another password; sessions that came in with the old one end. Raises: NotFound."""
    table = tables.Mailbox
    salt = (
        await connection.execute(select(table.scram_salt).where(*_open(account_id, mailbox_id)))
    ).scalar_one_or_none()
    keys = None if scram is None or salt is None else await scram.seal(salt)
    generation = table.access_generation + 1
    values = {"password_hash": password_hash, "scram_keys": keys, "access_generation": generation}
    return await _update(connection, account_id, mailbox_id, values)


async def add_alias(
    connection: AsyncConnection, account_id: UUID, mailbox_id: UUID, alias: str, now: datetime
) -> Mailbox:
    """Let it get mail for, and send as, another address. Raises: NotFound, ValidationFailed, Forbidden, Conflict."""
    await _require(connection, account_id, mailbox_id)
    address = read_address(alias, "/alias")
    await check_domain(connection, account_id, address.domain, "/alias")
    await add_address(connection, (account_id, mailbox_id), address.spec, "alias", now)
    await announce_access(connection, mailbox_id)
    await announce_change(connection, account_id)
    return await get_mailbox(connection, account_id, mailbox_id)


async def remove_alias(connection: AsyncConnection, account_id: UUID, mailbox_id: UUID, alias: str) -> Mailbox:
    """Take an alias away. Raises: NotFound."""
    if not await _remove(connection, account_id, mailbox_id, "alias", alias.lower()):
        raise NotFound("The mailbox has no such alias.")
    return await get_mailbox(connection, account_id, mailbox_id)


async def set_catch_all(
    connection: AsyncConnection, account_id: UUID, mailbox_id: UUID, *, wanted: bool, now: datetime
) -> Mailbox:
    """Whether it gets what nobody else of its domain gets. Raises: NotFound, Forbidden, Conflict."""
    domain = await _require(connection, account_id, mailbox_id)
    await _remove(connection, account_id, mailbox_id, "catch_all", f"@{domain}")
    if wanted:
        await check_domain(connection, account_id, domain)
        await add_address(connection, (account_id, mailbox_id), f"@{domain}", "catch_all", now)
    return await get_mailbox(connection, account_id, mailbox_id)


async def delete_mailbox(connection: AsyncConnection, account_id: UUID, mailbox_id: UUID, now: datetime) -> Mailbox:
    """Close it: no log-in, no mail, its addresses free; ``restore_mailbox`` undoes it within ``GRACE``.

    Raises: NotFound.
    """
    await _require(connection, account_id, mailbox_id)
    addresses = tables.MailboxAddress
    await connection.execute(delete(addresses).where(addresses.mailbox_id == mailbox_id))
    generation = tables.Mailbox.access_generation + 1
    return await _update(connection, account_id, mailbox_id, {"deleted_at": now, "access_generation": generation})


async def restore_mailbox(connection: AsyncConnection, account_id: UUID, mailbox_id: UUID, now: datetime) -> Mailbox:
    """Open a deleted mailbox again, under its own address. Raises: NotFound, Conflict, Forbidden."""
    mailbox = await get_mailbox(connection, account_id, mailbox_id)
    if mailbox.deleted_at is None:
        return mailbox
    if now - mailbox.deleted_at >= GRACE:
        raise NotFound("There is no such mailbox.")
    await check_domain(connection, account_id, mailbox.domain)
    await add_address(connection, (account_id, mailbox_id), mailbox.address, "primary", now)
    return await _update(connection, account_id, mailbox_id, {"deleted_at": None}, was_deleted=True)


async def _require(connection: AsyncConnection, account_id: UUID, mailbox_id: UUID) -> str:
    """Lock the mailbox; gives its domain. Raises: NotFound."""
    statement = select(tables.Mailbox.domain).where(*_open(account_id, mailbox_id)).with_for_update(key_share=True)
    domain = (await connection.execute(statement)).scalar_one_or_none()
    if domain is None:
        raise NotFound("There is no such mailbox.")
    return domain


async def _update(
    connection: AsyncConnection,
    account_id: UUID,
    mailbox_id: UUID,
    values: dict[str, Any],
    *,
    was_deleted: bool = False,
) -> Mailbox:
    if values:
        where = _open(account_id, mailbox_id)[: 2 if was_deleted else 3]
        changed = update(tables.Mailbox).where(*where).values(values).returning(tables.Mailbox.id)
        if (await connection.execute(changed)).one_or_none() is None:
            raise NotFound("There is no such mailbox.")
        await announce_access(connection, mailbox_id)
        await announce_change(connection, account_id)
    return await get_mailbox(connection, account_id, mailbox_id)


async def _remove(connection: AsyncConnection, account_id: UUID, mailbox_id: UUID, kind: str, address: str) -> bool:
    table = tables.MailboxAddress
    mine = (table.account_id == account_id, table.mailbox_id == mailbox_id)
    statement = delete(table).where(*mine, table.kind == kind, table.address == address).returning(table.address)
    removed = (await connection.execute(statement)).one_or_none() is not None
    if removed:
        await announce_access(connection, mailbox_id)
        await announce_change(connection, account_id)
    return removed


def _open(account_id: UUID, mailbox_id: UUID) -> Sequence[Any]:
    table = tables.Mailbox
    return (table.account_id == account_id, table.id == mailbox_id, table.deleted_at.is_(None))


def _default_folders(mailbox_id: UUID, now: datetime) -> list[dict[str, Any]]:
    first = int(now.timestamp())
    return [
        {
            "id": new_id(),
            "mailbox_id": mailbox_id,
            "name": name,
            "special_use": special_use,
            "uidvalidity": first + number,
            "created_at": now,
        }
        for number, (name, special_use) in enumerate(DEFAULT_FOLDERS, start=1)
    ]


def check_settings(name: str, quota_bytes: int) -> None:
    """Raises: ValidationFailed."""
    faults = []
    if len(name.strip()) > MAX_NAME or not is_visible(name):
        faults.append(Fault("/name", f"the name has up to {MAX_NAME} visible characters"))
    if not 1 <= quota_bytes <= MAX_QUOTA_BYTES:
        faults.append(Fault("/quota_bytes", f"the quota is from 1 to {MAX_QUOTA_BYTES} bytes"))
    if faults:
        raise ValidationFailed(faults)
