"""Keywords: free words on messages, a small number each within a mailbox; once given, a number stays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from uuid import UUID

from asyncpg import Connection

from hourpost.database import HotStatement
from hourpost.errors import Fault, ValidationFailed

MOST_KEYWORDS = 1000
MAX_KEYWORD_BYTES = 250
_MOST_REMEMBERED = 5000

_LIST = HotStatement("SELECT id, name, folded FROM mailbox_keywords WHERE mailbox_id = :mailbox ORDER BY id")
_LOCK = HotStatement("SELECT id FROM mailboxes WHERE id = :mailbox FOR NO KEY UPDATE")
_ADD = HotStatement(
    """
INSERT INTO mailbox_keywords (mailbox_id, id, name, folded)
SELECT :mailbox, (SELECT coalesce(max(id), 0) FROM mailbox_keywords WHERE mailbox_id = :mailbox) + n.number,
  n.name, n.folded
FROM unnest(CAST(:names AS text[]), CAST(:folded AS text[])) WITH ORDINALITY n(name, folded, number)
WHERE NOT EXISTS (SELECT FROM mailbox_keywords k WHERE k.mailbox_id = :mailbox AND k.folded = n.folded)
"""
)


class KeywordBook:
    """The keywords of many mailboxes, remembered: numbers never change, so only new ones are looked up."""

    def __init__(self) -> None:
        self._names: OrderedDict[UUID, dict[int, str]] = OrderedDict()
        self._numbers: dict[UUID, dict[str, int]] = {}

    async def names(self, connection: Connection, mailbox_id: UUID) -> Mapping[int, str]:
        """Every keyword of the mailbox as it was first written, by number."""
        await self._load(connection, mailbox_id)
        return self._names[mailbox_id]

    async def names_of(self, connection: Connection, mailbox_id: UUID, numbers: Iterable[int]) -> Mapping[int, str]:
        """Names that hold at least ``numbers``."""
        known = self._names.get(mailbox_id)
        if known is None or not all(number in known for number in numbers):
            return await self.names(connection, mailbox_id)
        return known

    async def find_numbers(self, connection: Connection, mailbox_id: UUID, names: Iterable[str]) -> list[int]:
        """The numbers of those ``names`` that the mailbox has, sorted; others match no message."""
        wanted = [name.lower() for name in names]
        if not all(name in self._numbers.get(mailbox_id, {}) for name in wanted):
            await self._load(connection, mailbox_id)
        numbers = self._numbers[mailbox_id] if wanted else {}
        return sorted({numbers[name] for name in wanted if name in numbers})

    async def numbers(self, connection: Connection, mailbox_id: UUID, names: Iterable[str]) -> list[int]:
        """The numbers of ``names``, sorted; new ones are given in the caller's transaction, which does nothing else.

        Raises: ValidationFailed for a keyword too long, or one too many.
        """
        wanted = {name.lower(): name for name in names}
        found = await self.find_numbers(connection, mailbox_id, wanted)
        if len(found) == len(wanted):
            return found
        known = self._numbers[mailbox_id]
        new = {folded: name for folded, name in wanted.items() if folded not in known}
        if len(known) + len(new) > MOST_KEYWORDS or any(
            len(name.encode()) > MAX_KEYWORD_BYTES for name in new.values()
        ):
            detail = f"a mailbox has {MOST_KEYWORDS} keywords of {MAX_KEYWORD_BYTES} bytes at most"
            raise ValidationFailed([Fault("/keywords", detail)])
        await _LOCK.run(connection, {"mailbox": mailbox_id})
        await _ADD.run(connection, {"mailbox": mailbox_id, "names": list(new.values()), "folded": list(new)})
        self.forget(mailbox_id)  # what this transaction adds is remembered when somebody reads it back
        rows = await _LIST.run(connection, {"mailbox": mailbox_id})
        return sorted(row.id for row in rows if row.folded in wanted)

    def forget(self, mailbox_id: UUID) -> None:
        """Look this mailbox's keywords up again."""
        self._names.pop(mailbox_id, None)
        self._numbers.pop(mailbox_id, None)

    async def _load(self, connection: Connection, mailbox_id: UUID) -> None:
        rows = await _LIST.run(connection, {"mailbox": mailbox_id})
        self._names[mailbox_id] = {row.id: row.name for row in rows}
        self._names.move_to_end(mailbox_id)
        self._numbers[mailbox_id] = {row.folded: row.id for row in rows}
        if len(self._names) > _MOST_REMEMBERED:
            oldest, _ = self._names.popitem(last=False)
            self._numbers.pop(oldest, None)
