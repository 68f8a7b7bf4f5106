"""Notices: who sends from a mailbox is told there what could not be delivered; others have events and webhooks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from hourpost.database import Database, HotStatement
from hourpost.errors import HourpostError
from hourpost.gateways.clock import Clock
from hourpost.mailboxes.parcels import NewMessage, Target
from hourpost.mailboxes.store import MailStore
from hourpost.rules.failure_notice import Failure, Undelivered, build_notice
from hourpost.rules.ids import new_id, to_text

PREFIX = "ntc"
_WORDS = {
    "suppressed": "Earlier mail to this address bounced or was complained about; your account sends nothing there."
}

# What a report has told came into the mailbox itself; whom the sender wanted to hear nothing of is in the DSN options.
_LOST = HotStatement(
    """
SELECT d.email_id, d.position, d.address, b.address AS mailbox, b.id AS mailbox_id, f.id AS inbox_id, e.subject,
  e.message_id, v.detail ->> 'source' AS source, CAST(v.detail ->> 'code' AS int) AS code,
  v.detail ->> 'enhanced' AS enhanced, coalesce(v.detail ->> 'reply', v.detail ->> 'reason', '') AS words, d.state,
  coalesce(e.parts #> ARRAY['dsn', 'recipients', d.address, 'notify'] ? 'FAILURE', true) AS is_wanted,
  c.bytes AS content
FROM sent_copies s
JOIN deliveries d ON d.email_id = s.email_id AND d.state IN ('bounced', 'expired', 'failed', 'suppressed')
  AND NOT d.position = ANY(s.noticed)
JOIN emails e ON e.id = s.email_id
JOIN mailboxes b ON b.id = s.mailbox_id AND b.deleted_at IS NULL
JOIN folders f ON f.mailbox_id = b.id AND f.name = 'INBOX'
LEFT JOIN content_chunks c ON c.content_id = e.content_id AND c.number = 0
LEFT JOIN LATERAL (SELECT detail FROM events v WHERE v.email_id = d.email_id AND v.position = d.position
  AND v.kind = d.state ORDER BY v.id DESC LIMIT 1) v ON true
WHERE s.email_id = ANY(CAST(:emails AS uuid[])) ORDER BY d.email_id, d.position
"""
)
_NOTICED = HotStatement(
    "UPDATE sent_copies SET noticed = noticed || CAST(:positions AS smallint[]) WHERE email_id = :email"
)

log = structlog.get_logger()


class Notices:
    """Writes notices into mailboxes; each in the transaction that notes it, so that none comes twice."""

    def __init__(self, database: Database, store: MailStore, clock: Clock, hostname: str) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._hostname = hostname

    async def tell(self, emails: Sequence[UUID]) -> None:
        """Tell the senders of these emails what is lost of them and they do not know. Raises: ServiceUnavailable."""
        if not emails:
            return
        async with self._database.hot_statements() as connection:
            rows = await _LOST.run(connection, {"emails": list(emails)})
        by_email: dict[UUID, list[Any]] = defaultdict(list)
        for row in rows:
            by_email[row.email_id].append(row)
        for lost in by_email.values():
            await self._tell(lost)

    async def _tell(self, lost: list[Any]) -> None:
        noted = partial(_note, email_id=lost[0].email_id, positions=[row.position for row in lost])
        unknown = [row for row in lost if row.source != "report" and row.is_wanted]
        if not unknown:
            async with self._database.hot_transaction() as connection:
                await noted(connection)
            return
        first, now = unknown[0], self._clock.now()
        notice = build_notice(_undelivered(unknown), first.mailbox, self._hostname, to_text(PREFIX, new_id()), now)
        target = Target(first.mailbox_id, first.inbox_id)
        outcome = (await self._store.deliver(NewMessage(notice), [target], also=noted))[0]
        if isinstance(outcome, HourpostError):
            log.info("a notice had no room", email_id=str(first.email_id), reason=outcome.name)
            async with self._database.hot_transaction() as connection:
                await noted(connection)


async def _note(connection: asyncpg.Connection, email_id: UUID, positions: list[int]) -> None:
    await _NOTICED.run(connection, {"email": email_id, "positions": positions})


def _undelivered(lost: Sequence[Any]) -> Undelivered:
    first = lost[0]
    header = (first.content or b"").partition(b"\r\n\r\n")[0] + b"\r\n"
    failures = tuple(
        Failure(row.address, row.code, row.enhanced, row.words or _WORDS.get(row.state, "")) for row in lost
    )
    return Undelivered(first.subject, first.message_id, header, failures)
