"""Notices: who sends from a mailbox is told there what could not be delivered; others have events and webhooks.

So is a mailbox that forwards told what has not arrived there, and gets it back where it has kept no copy.

And, where that was asked for (RFC 3461), what is delayed, and what was delivered: here, or handed on to a relay that
will not tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from hourpost.database import Database, HotStatement
from hourpost.errors import Conflict, HourpostError
from hourpost.gateways.clock import Clock
from hourpost.mailboxes.parcels import NewMessage, Target
from hourpost.mailboxes.store import MailStore
from hourpost.rules.backoff import GIVE_UP_AFTER
from hourpost.rules.delivery_notice import Action, Fate, Told, build_notice
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.report_wishes import ReportWishes, read_wishes
from hourpost.seldom import Seldom

PREFIX = "ntc"
_WORDS = {
    "suppressed": "Earlier mail to this address bounced or was complained about; your account sends nothing there.",
    "canceled": "It was canceled before it left.",
    "unknown": "The connection broke off before the server had said whether it takes it.",
}
_ACTIONS = {"sent": Action.RELAYED, "delivered": Action.DELIVERED, "deferred": Action.DELAYED}
_DELAY = timedelta(hours=4)

# Whose delay is told is noted as -1, -2 …: what becomes of it is still to be told.
# What a report has told came into the mailbox itself, or will where a relay reports. Without a word of the sender's
# failures are told, and nothing else (RFC 3461 §4.1). Of what is forwarded all is told that may lie nowhere: a copy was
# kept of what went to a suppressed address as well, and what came back once need not come back again.
_ENDED = HotStatement(
    """
SELECT d.email_id, d.position, d.address, b.address AS mailbox, b.id AS mailbox_id, f.id AS inbox_id, e.subject,
  e.message_id, v.detail ->> 'source' AS source, CAST(v.detail ->> 'code' AS int) AS code,
  v.detail ->> 'enhanced' AS enhanced, coalesce(v.detail ->> 'reply', v.detail ->> 'reason', '') AS words, d.state,
  v.detail ->> 'reports' AS reports, CAST(e.parts -> 'dsn' AS text) AS wishes, e.size_bytes,
  coalesce(d.released_at, greatest(e.created_at, e.scheduled_at)) AS leaves_at, e.expires_at, e.content_id,
  e.source = 'forward' AS is_forward, d.changed_at > e.created_at AS has_changed,
  e.source = 'forward' AND e.parts #>> ARRAY['dsn', 'ret'] IS NOT DISTINCT FROM 'FULL' AND s.noticed = '{}'
    AND NOT EXISTS (SELECT FROM deliveries o WHERE o.email_id = e.id AND o.state = 'suppressed'
      AND o.changed_at = e.created_at) AS is_only_copy,
  b.used_bytes + e.size_bytes > b.quota_bytes AND EXISTS (
    SELECT FROM content_chunks c WHERE c.content_id = e.content_id AND c.number = 0) AS is_full
FROM sent_copies s
JOIN emails e ON e.id = s.email_id
JOIN deliveries d ON d.email_id = s.email_id AND NOT d.position = ANY(s.noticed)
  AND (d.state IN ('bounced', 'expired', 'failed', 'suppressed')
    OR (d.state IN ('canceled', 'unknown') AND e.source = 'forward')
    OR (d.state IN ('sent', 'delivered') AND e.parts #> ARRAY['dsn', 'recipients', d.address, 'notify'] ? 'SUCCESS')
    OR (d.state = 'deferred' AND coalesce(d.released_at, greatest(e.created_at, e.scheduled_at)) < :late::timestamptz
    AND NOT -1 - d.position = ANY(s.noticed) AND e.parts #> ARRAY['dsn', 'recipients', d.address, 'notify'] ? 'DELAY'))
JOIN mailboxes b ON b.id = s.mailbox_id AND b.deleted_at IS NULL
JOIN folders f ON f.mailbox_id = b.id AND f.name = 'INBOX'
LEFT JOIN LATERAL (SELECT detail FROM events v WHERE v.email_id = d.email_id AND v.position = d.position
  AND v.kind = d.state ORDER BY v.id DESC LIMIT 1) v ON true
WHERE s.email_id = ANY(CAST(:emails AS uuid[])) ORDER BY d.email_id, d.position
"""
)
_NOTICED = HotStatement(
    "UPDATE sent_copies SET noticed = noticed || CAST(:positions AS smallint[])"
    " WHERE email_id = :email AND NOT noticed && CAST(:positions AS smallint[]) RETURNING email_id"
)

_CONTENT = HotStatement(
    "SELECT bytes FROM content_chunks WHERE content_id = :content AND (number = 0 OR :whole) ORDER BY number"
)

log = structlog.get_logger()
_say_full = Seldom("a forward that was lost has no room in its mailbox")


class Notices:
    """Writes notices into mailboxes; each in the transaction that notes it, so that none comes twice."""

    def __init__(self, database: Database, store: MailStore, clock: Clock, hostname: str) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._hostname = hostname

    async def tell(self, emails: Sequence[UUID]) -> set[UUID]:
        """Tell the senders of these emails what they do not know and want to.

        Gives those that are to be looked at again: there is no room for a mail that lies nowhere else, or another
        sweep has told them.
        Raises: ServiceUnavailable.
        """
        if not emails:
            return set()
        async with self._database.hot_statements() as connection:
            rows = await _ENDED.run(connection, {"emails": list(emails), "late": self._clock.now() - _DELAY})
        by_kind: dict[tuple[UUID, bool, bool], list[Any]] = defaultdict(list)
        for row in rows:
            by_kind[row.email_id, row.state in _ACTIONS, row.state == "deferred"].append(row)
        untold = set()
        for ended in by_kind.values():
            try:
                is_told = await self._tell(ended)
            except Conflict:  # another sweep has just told them, or some of them
                is_told = False
            if not is_told:
                untold.add(ended[0].email_id)
        return untold

    async def _tell(self, ended: list[Any]) -> bool:
        """What became of an email for some recipients: for all failed, for all delayed, or for none of both."""
        positions = [-1 - row.position if row.state == "deferred" else row.position for row in ended]
        noted = partial(_note, email_id=ended[0].email_id, positions=positions)
        wishes = read_wishes(ended[0].wishes)
        unknown = [row for row in ended if _is_news(row, wishes)]
        if not unknown:
            async with self._database.hot_transaction() as connection:
                await noted(connection)
            return True
        first, now = unknown[0], self._clock.now()
        if first.is_only_copy and first.is_full:
            _say_full(email_id=str(first.email_id), mailbox=first.mailbox, size_bytes=first.size_bytes)
            return False
        told = _told(unknown, wishes, await self._read(first))
        notice = build_notice(told, first.mailbox, self._hostname, to_text(PREFIX, new_id()), now)
        target = Target(first.mailbox_id, first.inbox_id)
        outcome = (await self._store.deliver(NewMessage(notice), [target], also=noted))[0]
        if isinstance(outcome, HourpostError):
            log.info("a notice had no room", email_id=str(first.email_id), reason=outcome.name)
            if told.is_whole and first.is_only_copy:
                return False
            async with self._database.hot_transaction() as connection:
                await noted(connection)
        return True

    async def _read(self, row: Any) -> bytes:
        async with self._database.hot_statements() as connection:
            arguments = {"content": row.content_id, "whole": row.is_only_copy}
            return b"".join(one.bytes for one in await _CONTENT.run(connection, arguments))


async def _note(connection: asyncpg.Connection, email_id: UUID, positions: list[int]) -> None:
    """Note who was told of. Raises: Conflict where somebody else has noted one of them."""
    if not await _NOTICED.run(connection, {"email": email_id, "positions": positions}):
        raise Conflict("already_exists", "That was told already.")


def _is_news(row: Any, wishes: ReportWishes) -> bool:
    """Whether its sender wants to hear it, and does not from anybody else."""
    if row.state == "deferred":  # found where that is to be told
        return True
    if row.state in _ACTIONS:  # likewise
        return row.source != "report" and row.reports is None
    if row.is_forward:  # who has canceled it knows, and a report lies there, which need not return all of it
        is_known = row.state == "canceled" or row.source == "report"
        return bool(row.is_only_copy if is_known else row.state != "suppressed" or row.has_changed)
    return row.source != "report" and "FAILURE" in wishes.notify.get(row.address, "FAILURE")


def _told(ended: Sequence[Any], wishes: ReportWishes, content: bytes) -> Told:
    first = ended[0]
    action = _ACTIONS.get(first.state, Action.FAILED)
    is_wanted = first.is_only_copy if first.is_forward else wishes.ret == "FULL"
    is_whole = action is Action.FAILED and is_wanted and 0 < first.size_bytes == len(content)
    returned = content if is_whole else content.partition(b"\r\n\r\n")[0] + b"\r\n"
    fates = tuple(
        Fate(
            row.address,
            row.code,
            row.enhanced,
            row.words or _WORDS.get(row.state, ""),
            _ACTIONS.get(row.state, Action.FAILED),
            wishes.orcpt.get(row.address, ""),
            is_doubtful=row.state == "unknown",
        )
        for row in ended
    )
    until = _tried_until(first) if action is Action.DELAYED else None
    return Told(
        first.subject,
        first.message_id,
        returned,
        fates,
        is_whole,
        wishes.envid,
        until,
        is_forward=first.is_forward,
        is_gone=first.is_only_copy and not is_whole,
    )


def _tried_until(row: Any) -> datetime:
    gives_up_at: datetime = row.leaves_at + GIVE_UP_AFTER
    return min(gives_up_at, row.expires_at) if row.expires_at is not None else gives_up_at
