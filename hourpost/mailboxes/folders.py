"""Reading folders: one row holds all that SELECT and STATUS tell."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.errors import NotFound
from hourpost.rules.ids import to_text

PREFIX = "fld"


class Folder(NamedTuple):
    r"""A folder as it was at one moment.

    ``expunged_before``: expunges of MODSEQs up to it are no longer known (0: all are). ``recent_uid``: from this UID on
    messages are \Recent for who selects next. ``unseen`` and ``deleted`` count messages.
    """

    id: UUID
    mailbox_id: UUID
    name: str
    special_use: str | None
    subscribed: bool
    uidvalidity: int
    uidnext: int
    highestmodseq: int
    expunged_before: int
    recent_uid: int
    messages: int
    unseen: int
    deleted: int
    size_bytes: int

    @property
    def public_id(self) -> str:
        """``fld_…``."""
        return to_text(PREFIX, self.id)


_NAMES = Folder._fields


def _select(condition: str) -> HotStatement:
    return HotStatement(f"SELECT {', '.join(_NAMES)} FROM folders WHERE {condition}")  # noqa: S608  # our own words


_LIST = _select("mailbox_id = :mailbox ORDER BY name")
_BY_NAME = _select("mailbox_id = :mailbox AND name = :name")
_BY_ID = _select("id = :folder AND mailbox_id = :mailbox")
_BY_USE = _select("mailbox_id = :mailbox AND special_use = :use ORDER BY created_at, id LIMIT 1")
# PostgreSQL answers what the row was before: the number is swapped, so only one session has the old one. Nobody waits
# for the disk for that: after a crash a few messages are \Recent once more.
_SWAP_RECENT = HotStatement(
    "UPDATE folders SET recent_uid = uidnext WHERE mailbox_id = :mailbox AND name = :name AND recent_uid < uidnext"  # noqa: S608
    " AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL"
    " RETURNING " + ", ".join(f"old.{name}" for name in _NAMES)
)
_SUBSCRIBED = HotStatement(
    "SELECT name FROM folders WHERE mailbox_id = :mailbox AND subscribed"
    " UNION SELECT name FROM folder_subscriptions WHERE mailbox_id = :mailbox ORDER BY name"
)


async def list_folders(connection: Connection, mailbox_id: UUID) -> list[Folder]:
    """Every folder of the mailbox, by name."""
    return [Folder(*row) for row in await _LIST.run(connection, {"mailbox": mailbox_id})]


async def find_folder(connection: Connection, mailbox_id: UUID, name: str) -> Folder | None:
    """The folder of this (normalised) name, or None."""
    rows = await _BY_NAME.run(connection, {"mailbox": mailbox_id, "name": name})
    return Folder(*rows[0]) if rows else None


async def get_folder(connection: Connection, mailbox_id: UUID, name: str) -> Folder:
    """The folder of this (normalised) name. Raises: NotFound."""
    return _present(await find_folder(connection, mailbox_id, name))


async def get_folder_by_id(connection: Connection, mailbox_id: UUID, folder_id: UUID) -> Folder:
    """The folder of this mailbox. Raises: NotFound."""
    rows = await _BY_ID.run(connection, {"mailbox": mailbox_id, "folder": folder_id})
    return _present(Folder(*rows[0]) if rows else None)


async def find_special_folder(connection: Connection, mailbox_id: UUID, use: str) -> Folder | None:
    """The folder for ``drafts``, ``sent``, ``junk``, ``trash`` or ``archive``, or None."""
    rows = await _BY_USE.run(connection, {"mailbox": mailbox_id, "use": use})
    return Folder(*rows[0]) if rows else None


async def select_folder(connection: Connection, mailbox_id: UUID, name: str) -> Folder:
    r"""The folder as SELECT tells it; messages from its ``recent_uid`` on are \Recent for this session and no other.

    EXAMINE takes ``get_folder``, which changes nothing. Raises: NotFound.
    """
    rows: list[Any] = await _SWAP_RECENT.run(connection, {"mailbox": mailbox_id, "name": name})
    return Folder(*rows[0]) if rows else await get_folder(connection, mailbox_id, name)


async def list_subscriptions(connection: Connection, mailbox_id: UUID) -> list[str]:
    """Every subscribed name, also of folders that are gone."""
    return [row[0] for row in await _SUBSCRIBED.run(connection, {"mailbox": mailbox_id})]


def _present(folder: Folder | None) -> Folder:
    if folder is None:
        raise NotFound("There is no such folder.")
    return folder
