"""Reading mailboxes and their addresses; a deleted one is gone for everybody but the sweep and who restores it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.errors import NotFound
from hourpost.pages import Cursor, Page, read_page
from hourpost.rules.auto_reply import AutoReply, read_row
from hourpost.rules.ids import from_text, to_text
from hourpost.rules.reach import ALL, Reach

PREFIX = "mbx"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox without its secrets. ``aliases`` are full addresses, ``catch_all`` the domains it gets the rest of."""

    id: UUID
    account_id: UUID
    address: str
    domain: str
    name: str
    quota_bytes: int
    used_bytes: int
    forward_to: tuple[str, ...]
    keeps_forwarded: bool
    files_sent: bool
    deleted_at: datetime | None
    created_at: datetime
    signature: str = ""
    auto_reply: AutoReply | None = None
    aliases: tuple[str, ...] = ()
    catch_all: tuple[str, ...] = ()

    @property
    def public_id(self) -> str:
        """``mbx_…``."""
        return to_text(PREFIX, self.id)

    @property
    def addresses(self) -> tuple[str, ...]:
        """What it may send as."""
        return (self.address, *self.aliases)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where mail for one address goes; ``forward_to`` gets a copy, or all of it unless ``keeps_forwarded``.

    ``is_catch_all``: the address is none of its own, but of the rest of its domain.
    """

    address: str
    mailbox_id: UUID
    account_id: UUID
    inbox_id: UUID
    junk_id: UUID | None
    quota_bytes: int
    used_bytes: int
    forward_to: tuple[str, ...] = field(default=())
    keeps_forwarded: bool = True
    has_auto_reply: bool = False
    is_catch_all: bool = False

    @property
    def is_full(self) -> bool:
        """Whether nothing more fits."""
        return self.used_bytes >= self.quota_bytes


_OWN = [one.name for one in fields(Mailbox) if one.name not in ("aliases", "catch_all")]
_COLUMNS = [getattr(tables.Mailbox, name) for name in _OWN]


async def get_mailbox(connection: AsyncConnection, account_id: UUID, mailbox_id: UUID) -> Mailbox:
    """The mailbox of this account, deleted ones too. Raises: NotFound."""
    statement = select(*_COLUMNS).where(tables.Mailbox.account_id == account_id, tables.Mailbox.id == mailbox_id)
    return await _one(connection, statement)


async def get_named_mailbox(connection: AsyncConnection, account_id: UUID, name: str) -> Mailbox:
    """The mailbox of this account by its id or its own address. Raises: NotFound."""
    mailbox_id = from_text(PREFIX, name)
    if mailbox_id is not None:
        return await get_mailbox(connection, account_id, mailbox_id)
    mine = _mine(account_id).where(tables.Mailbox.address == name.lower())
    return await _one(connection, mine, f"The account has no mailbox {name!r}.")


async def get_restorable_mailbox(connection: AsyncConnection, account_id: UUID, name: str) -> Mailbox:
    """The mailbox by its id, or the last that was deleted of this address. Raises: NotFound."""
    mailbox_id = from_text(PREFIX, name)
    if mailbox_id is not None:
        return await get_mailbox(connection, account_id, mailbox_id)
    table = tables.Mailbox
    gone = select(*_COLUMNS).where(table.account_id == account_id, table.deleted_at.is_not(None))
    return await _one(connection, gone.where(table.address == name.lower()).order_by(table.deleted_at.desc()).limit(1))


async def list_mailboxes(
    connection: AsyncConnection,
    account_id: UUID,
    cursor: Cursor,
    reach: Reach = ALL,
    *,
    deleted_since: datetime | None = None,
) -> Page[Mailbox]:
    """One page of an account's mailboxes, of those whose every address is within ``reach``.

    With ``deleted_since`` those that were deleted then or later, and no others.
    """
    table = tables.Mailbox
    statement = _mine(account_id)
    if deleted_since is not None:
        statement = select(*_COLUMNS).where(table.account_id == account_id, table.deleted_at >= deleted_since)
    if reach.domain_id is not None:
        other = tables.MailboxAddress
        elsewhere = exists().where(other.mailbox_id == tables.Mailbox.id, other.domain != reach.domain)
        statement = statement.where(tables.Mailbox.domain == reach.domain, ~elsewhere)
    page = await read_page(connection, statement, tables.Mailbox.id, cursor)
    return Page(await _complete(connection, page.data), page.has_more)


_RECIPIENTS = text(
    """
SELECT a.address, m.id AS mailbox_id, m.account_id, i.id AS inbox_id, j.id AS junk_id, m.quota_bytes, m.used_bytes,
  m.forward_to, m.keeps_forwarded, m.auto_reply IS NOT NULL AS has_auto_reply
FROM mailbox_addresses a
JOIN domains d ON d.name = a.domain AND d.account_id = a.account_id AND d.status = 'verified'
JOIN mailboxes m ON m.id = a.mailbox_id AND m.deleted_at IS NULL
JOIN folders i ON i.mailbox_id = m.id AND i.name = 'INBOX'
LEFT JOIN LATERAL (
  SELECT id FROM folders WHERE mailbox_id = m.id AND special_use = 'junk' ORDER BY created_at, id LIMIT 1
) j ON true
WHERE a.address = ANY(CAST(:addresses AS text[]))
"""
)


async def find_recipients(connection: AsyncConnection, addresses: Sequence[str]) -> dict[str, Recipient]:
    """Whose mailbox gets mail for each of ``addresses``; what is missing in the answer has none.

    By its own name, else by the part before ``+``, else as the rest of its domain. Only verified domains count.
    """
    choices = {address: _choices(address) for address in addresses}
    asked = sorted({choice for several in choices.values() for choice in several})
    rows = {row.address: row for row in await connection.execute(_RECIPIENTS, {"addresses": asked})}
    found = {address: next((rows[one] for one in several if one in rows), None) for address, several in choices.items()}
    return {address: _recipient(address, row) for address, row in found.items() if row is not None}


async def is_hosted_domain(connection: AsyncConnection, domain: str) -> bool:
    """Whether the domain is verified and has a mailbox: others of its addresses are then refused, not relayed."""
    statement = text(
        "SELECT EXISTS (SELECT FROM domains d JOIN mailbox_addresses a ON a.domain = d.name"
        " AND a.account_id = d.account_id WHERE d.name = :domain AND d.status = 'verified')"
    )
    return bool((await connection.execute(statement, {"domain": domain.lower()})).scalar_one())


def _choices(address: str) -> tuple[str, ...]:
    local, _, domain = address.lower().rpartition("@")
    tagged = local.partition("+")[0]
    plain = (f"{tagged}@{domain}",) if tagged and tagged != local else ()
    return (f"{local}@{domain}", *plain, f"@{domain}")


def _recipient(address: str, row: Any) -> Recipient:
    values = dict(row._mapping) | {"address": address, "forward_to": tuple(row.forward_to)}
    return Recipient(**values, is_catch_all=row.address.startswith("@"))


def _mine(account_id: UUID) -> Select[Any]:
    table = tables.Mailbox
    return select(*_COLUMNS).where(table.account_id == account_id, table.deleted_at.is_(None))


async def _one(
    connection: AsyncConnection, statement: Select[Any], missing: str = "There is no such mailbox."
) -> Mailbox:
    rows = (await connection.execute(statement)).all()
    if not rows:
        raise NotFound(missing)
    return (await _complete(connection, rows))[0]


async def _complete(connection: AsyncConnection, rows: Sequence[Any]) -> list[Mailbox]:
    table = tables.MailboxAddress
    statement = select(table.mailbox_id, table.kind, table.address, table.domain)
    statement = statement.where(table.mailbox_id.in_([row.id for row in rows]), table.kind != "primary")
    aliases: dict[UUID, list[str]] = defaultdict(list)
    catch_all: dict[UUID, list[str]] = defaultdict(list)
    for found in await connection.execute(statement.order_by(table.address)):
        if found.kind == "alias":
            aliases[found.mailbox_id].append(found.address)
        else:
            catch_all[found.mailbox_id].append(found.domain)
    return [
        Mailbox(
            **dict(row._mapping) | {"forward_to": tuple(row.forward_to), "auto_reply": read_row(row.auto_reply)},
            aliases=tuple(aliases[row.id]),
            catch_all=tuple(catch_all[row.id]),
        )
        for row in rows
    ]
