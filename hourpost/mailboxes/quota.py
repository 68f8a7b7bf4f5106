"""Reading how full a mailbox is."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.errors import NotFound


@dataclass(frozen=True, slots=True)
class Quota:
    """What its messages take, and what they may take."""

    used_bytes: int
    limit_bytes: int

    def has_room(self, size_bytes: int) -> bool:
        """Whether so much more fits."""
        return self.used_bytes + size_bytes <= self.limit_bytes


_QUOTA = HotStatement("SELECT used_bytes, quota_bytes FROM mailboxes WHERE id = :mailbox AND deleted_at IS NULL")
_QUOTA_AND_FOLDER = HotStatement(
    "SELECT m.used_bytes, m.quota_bytes, f.id AS folder_id"
    " FROM mailboxes m LEFT JOIN folders f ON f.mailbox_id = m.id AND f.name = :name"
    " WHERE m.id = :mailbox AND m.deleted_at IS NULL"
)
_DELETED = HotStatement(
    "SELECT coalesce(sum(size_bytes), 0) AS size FROM messages WHERE folder_id = :folder AND flags & 8 <> 0"
)


async def get_quota(connection: Connection, mailbox_id: UUID) -> Quota:
    """How full the mailbox is now. Raises: NotFound."""
    rows = await _QUOTA.run(connection, {"mailbox": mailbox_id})
    if not rows:
        raise NotFound("There is no such mailbox.")
    return Quota(*rows[0])


async def find_folder_and_quota(connection: Connection, mailbox_id: UUID, name: str) -> tuple[UUID | None, Quota]:
    """The folder of this (normalised) name, or None, and how full the mailbox is now. Raises: NotFound."""
    rows = await _QUOTA_AND_FOLDER.run(connection, {"mailbox": mailbox_id, "name": name})
    if not rows:
        raise NotFound("There is no such mailbox.")
    return rows[0].folder_id, Quota(rows[0].used_bytes, rows[0].quota_bytes)


async def sum_deleted_bytes(connection: Connection, folder_id: UUID) -> int:
    r"""What expunging a folder's \Deleted messages would set free."""
    return int((await _DELETED.run(connection, {"folder": folder_id}))[0].size)
