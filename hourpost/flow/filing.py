"""Filing: what was sent from a mailbox's address goes into its Sent folder, and shows there what became of it.

Nothing here is on the way of an email: accepting writes one row, and this sweep does the rest for many at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from hourpost.database import Database, HotStatement
from hourpost.errors import Conflict, HourpostError, NotFound, Refused
from hourpost.flow.notices import Notices
from hourpost.flow.store import NO_COPY
from hourpost.gateways.clock import Clock
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.parcels import NewMessage, Target
from hourpost.mailboxes.store import MailStore
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import new_id
from hourpost.rules.mail_flags import Flag
from hourpost.rules.sent_outcome import is_settled, outcome_of

_FILED_AT_ONCE = 50
_TURNS = 20
_LOOKED_AT_ONCE = 1000
_ADOPTION = timedelta(minutes=10)  # so long a client may take to file its own copy

# Of those that a client files itself, the message is looked for among the latest of the Sent folder
_UNFILED = HotStatement(
    """
SELECT s.email_id, s.mailbox_id, s.is_own, b.files_sent, s.created_at, e.message_id, e.content_id, f.id AS folder_id, (
    SELECT m.content_id FROM messages m JOIN message_contents c ON c.content_id = m.content_id
    WHERE m.folder_id = f.id AND m.uid > f.uidnext - 100 AND c.message_id = e.message_id
    ORDER BY m.uid DESC LIMIT 1) AS found_id
FROM sent_copies s JOIN emails e ON e.id = s.email_id
JOIN mailboxes b ON b.id = s.mailbox_id AND b.deleted_at IS NULL
LEFT JOIN folders f ON f.mailbox_id = s.mailbox_id AND f.special_use = 'sent'
WHERE NOT s.settled AND s.content_id IS NULL AND s.email_id <> ALL(CAST(:seen AS uuid[]))
ORDER BY s.looked_at LIMIT :most
"""
)
# What the mailbox has sent to itself, and lies where mail comes in, is no copy
_ELSEWHERE = HotStatement(
    """
SELECT m.content_id FROM folders f JOIN messages m ON m.folder_id = f.id AND m.uid > f.uidnext - 100
JOIN message_contents c ON c.content_id = m.content_id
WHERE f.mailbox_id = :mailbox AND f.name <> 'INBOX' AND f.special_use IS DISTINCT FROM 'junk'
  AND c.message_id = :message_id LIMIT 1
"""
)
_FILED = HotStatement(
    "UPDATE sent_copies s SET content_id = coalesce(s.content_id, w.content), settled = w.settled"
    " FROM unnest(CAST(:email AS uuid[]), CAST(:content AS uuid[]), CAST(:settled AS bool[]))"
    " AS w(email, content, settled) WHERE s.email_id = w.email"
)
# In the transaction that stores the copy, so that there is one, whoever else sweeps and whenever the process ends
_TAKE = HotStatement(
    "UPDATE sent_copies SET content_id = :content WHERE email_id = :email AND content_id IS NULL RETURNING email_id"
)
# What is forwarded is stored as settled: a trigger of `deliveries` opens it where it ends without having arrived.
# What a deleted mailbox is to hear waits until it is restored.
_OPEN = HotStatement(
    """
WITH copies AS (
  SELECT s.email_id, s.mailbox_id, s.content_id, s.outcome, s.looked_at, s.is_own
  FROM sent_copies s JOIN mailboxes b ON b.id = s.mailbox_id AND b.deleted_at IS NULL
  WHERE NOT s.settled AND (s.content_id IS NOT NULL OR s.is_own) ORDER BY s.looked_at LIMIT :most
)
SELECT c.*, e.source = 'forward' AS is_forward,
  (SELECT array_agg(DISTINCT d.state) FROM deliveries d WHERE d.email_id = c.email_id) AS states
FROM copies c JOIN emails e ON e.id = c.email_id
"""
)
_PLACES = HotStatement(
    "SELECT m.content_id, m.folder_id, m.uid FROM messages m JOIN folders f ON f.id = m.folder_id"
    " JOIN unnest(CAST(:content AS uuid[]), CAST(:mailbox AS uuid[])) AS w(content, mailbox)"
    " ON m.content_id = w.content AND f.mailbox_id = w.mailbox"
)
# What a worker or a report has in hand is left: it waits for no lock, so that nobody waits for it in a circle
_LOOKED = HotStatement(
    "UPDATE sent_copies s SET outcome = string_to_array(w.outcome, ' '), looked_at = :now,"
    " settled = w.settled AND s.looked_at = w.seen"  # else something was heard since we looked
    " FROM (SELECT w.* FROM unnest(CAST(:email AS uuid[]), CAST(:outcome AS text[]), CAST(:settled AS bool[]),"
    "  CAST(:seen AS timestamptz[])) AS w(email, outcome, settled, seen)"
    "  JOIN sent_copies t ON t.email_id = w.email FOR UPDATE OF t SKIP LOCKED) AS w WHERE s.email_id = w.email"
)
_CONTENT = HotStatement("SELECT bytes FROM content_chunks WHERE content_id = :content ORDER BY number")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Change:
    """What the messages of one copy carry, and are to carry."""

    copy: Any
    before: tuple[str, ...]
    after: tuple[str, ...]
    is_settled: bool


class Filing:
    """The sweep. Safe to run in several processes at once, useful in one."""

    def __init__(self, database: Database, store: MailStore, clock: Clock, hostname: str) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._notices = Notices(database, store, clock, hostname)

    async def sweep(self) -> None:
        """File what is new, and write outcomes. Raises: ServiceUnavailable."""
        seen: list[UUID] = []
        for _ in range(_TURNS):
            found = await self._file(seen)
            seen += found
            if len(found) < _FILED_AT_ONCE:
                break
        await self._mark()

    async def _file(self, seen: Sequence[UUID]) -> list[UUID]:
        """File some that were not ``seen``; gives which, whatever came of them."""
        async with self._database.hot_statements() as connection:
            rows = await _UNFILED.run(connection, {"most": _FILED_AT_ONCE, "seen": list(seen)})
        filed = []
        for row in rows:
            with suppress(Conflict):  # whoever has filed it goes on with it
                filed.append((row.email_id, *await self._file_one(row)))
        if filed:
            emails, contents, settled = map(list, zip(*filed, strict=True))
            async with self._database.hot_transaction() as connection:
                await _FILED.run(connection, {"email": emails, "content": contents, "settled": settled})
        return [row.email_id for row in rows]

    async def _file_one(self, row: Any) -> tuple[UUID | None, bool]:
        """The content of the copy, and whether nothing more is to be done about it."""
        if row.found_id is not None:
            return row.found_id, False
        if row.is_own:
            if self._clock.now() <= row.created_at + _ADOPTION:
                return None, False
            if (elsewhere := await self._find_elsewhere(row)) is not None:
                return elsewhere, False
        copy = await self._make_copy(row) if row.files_sent else None
        if copy is None and row.is_own:  # its sender is still to hear what is lost
            return NO_COPY, False
        return copy, copy is None

    async def _make_copy(self, row: Any) -> UUID | None:
        """The content of a copy of ours in the Sent folder, made where it is missing; None where there is no room."""
        async with self._database.hot_statements() as connection:
            content = b"".join(chunk.bytes for chunk in await _CONTENT.run(connection, {"content": row.content_id}))
        if not content:
            return None
        folder_id = row.folder_id or await self._find_sent(row)
        if folder_id is None:
            return None
        content_id = new_id()
        new = NewMessage(content, flags=Flag.SEEN, received_at=row.created_at, content_id=content_id)
        taken = partial(_take, email_id=row.email_id, content_id=content_id)
        outcome = (await self._store.deliver(new, [Target(row.mailbox_id, folder_id)], also=taken))[0]
        if isinstance(outcome, NotFound) and (folder_id := await self._find_sent(row)):  # deleted meanwhile
            outcome = (await self._store.deliver(new, [Target(row.mailbox_id, folder_id)], also=taken))[0]
        if isinstance(outcome, HourpostError):
            log.info("a sent email was not filed", email_id=str(row.email_id), reason=outcome.name)
            return None
        return outcome.content_id

    async def _find_sent(self, row: Any) -> UUID | None:
        try:
            return (await self._store.need_special_folder(row.mailbox_id, "sent")).id
        except Refused as error:
            log.info("there is no folder for a sent email", email_id=str(row.email_id), reason=error.name)
            return None

    async def _find_elsewhere(self, row: Any) -> UUID | None:
        """The content of the copy that a client has filed in another folder than Sent."""
        async with self._database.hot_statements() as connection:
            found = await _ELSEWHERE.run(connection, {"mailbox": row.mailbox_id, "message_id": row.message_id})
        return found[0].content_id if found else None

    async def _mark(self) -> int:
        async with self._database.hot_statements() as connection:
            rows = await _OPEN.run(connection, {"most": _LOOKED_AT_ONCE})
        untold = await self._notices.tell([row.email_id for row in rows if row.is_own])
        changes = [_change_of(row, is_told=row.email_id not in untold) for row in rows]
        await self._show([change for change in changes if change.before != change.after])
        if changes:
            await self._note(changes, self._clock.now())
        return len(changes)

    async def _show(self, changes: Sequence[_Change]) -> None:
        """Change the keywords of the messages, of one folder and one kind together."""
        groups: dict[tuple[UUID, UUID, Way, tuple[str, ...]], list[int]] = defaultdict(list)
        for change, folder_id, uid in await self._places(changes):
            mailbox = change.copy.mailbox_id
            gone = tuple(word for word in change.before if word not in change.after)
            new = tuple(word for word in change.after if word not in change.before)
            for way, words in ((Way.REMOVE, gone), (Way.ADD, new)):
                if words:
                    groups[mailbox, folder_id, way, words].append(uid)
        for (mailbox, folder_id, way, words), uids in groups.items():
            try:
                ranges = [(uid, uid) for uid in sorted(uids)]
                await self._store.store_flags(mailbox, folder_id, ranges, FlagChange(way, Flag.NONE, words))
            except NotFound:  # its folder went away meanwhile
                continue

    async def _places(self, changes: Sequence[_Change]) -> Iterable[tuple[_Change, UUID, int]]:
        if not changes:
            return []
        arguments = {
            "content": [change.copy.content_id for change in changes],
            "mailbox": [change.copy.mailbox_id for change in changes],
        }
        by_content = {change.copy.content_id: change for change in changes}
        async with self._database.hot_statements() as connection:
            rows = await _PLACES.run(connection, arguments)
        return [(by_content[row.content_id], row.folder_id, row.uid) for row in rows]

    async def _note(self, changes: Sequence[_Change], now: datetime) -> None:
        arguments = {
            "email": [change.copy.email_id for change in changes],
            "outcome": [" ".join(change.after) for change in changes],
            "settled": [change.is_settled for change in changes],
            "seen": [change.copy.looked_at for change in changes],
            "now": now,
        }
        async with self._database.hot_transaction() as connection:
            await _LOOKED.run(connection, arguments)


async def _take(connection: asyncpg.Connection, email_id: UUID, content_id: UUID) -> None:
    """Note the copy. Raises: Conflict where somebody else has filed one."""
    if not await _TAKE.run(connection, {"email": email_id, "content": content_id}):
        raise Conflict("already_exists", "There is a copy already.")


def _change_of(row: Any, *, is_told: bool) -> _Change:
    states = [State(word) for word in row.states or ()]
    if row.content_id is None:  # nothing to show it on, yet
        return _Change(row, tuple(row.outcome), tuple(row.outcome), is_settled=False)
    return _Change(row, tuple(row.outcome), outcome_of(states), is_told and (row.is_forward or is_settled(states)))
