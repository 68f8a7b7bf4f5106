"""The judge: what was accepted, what PostgreSQL says and what the sink has, compared email by email."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from bench.drill_client import Ledger, recipient

_WAITING = ("scheduled", "held", "queued", "sending", "deferred")
_DELIVERIES = """
SELECT d.email_id, d.position, d.address, d.state, e.message_id, e.content_id,
  (SELECT a.code FROM attempts a WHERE a.email_id = d.email_id AND a.position = d.position
    ORDER BY a.number DESC LIMIT 1) AS code,
  EXISTS (SELECT 1 FROM events v WHERE v.email_id = d.email_id AND v.position = d.position AND v.kind = 'unknown')
    AS was_unknown
FROM deliveries d JOIN emails e ON e.id = d.email_id WHERE d.account_id = ANY($1)
"""
_CONTENTS = """
SELECT c.content_id, string_agg(c.bytes, ''::bytea ORDER BY c.number) AS content FROM content_chunks c
WHERE c.content_id IN (SELECT content_id FROM emails WHERE account_id = ANY($1)) GROUP BY c.content_id
"""
# The most that left in any 60 minutes, by the moments that the hour's clock gave.
_BUSIEST = """
SELECT coalesce(max(n), 0) FROM (
  SELECT count(*) OVER (ORDER BY released_at RANGE BETWEEN interval '3599.999999 seconds' PRECEDING AND CURRENT ROW) n
  FROM deliveries WHERE account_id = $1 AND released_at IS NOT NULL) w
"""
_UNENDED = "SELECT count(*) FROM deliveries WHERE account_id = ANY($1) AND state = ANY($2)"


@dataclass(slots=True)
class Judgement:
    """Counts of emails. All but ``accepted``, ``delivered``, ``refused``, ``twice_in_data``, ``came_in`` must be 0."""

    accepted: int = 0
    delivered: int = 0  # at the sink, each once
    refused: int = 0  # not at the sink, which gave a permanent answer
    given_up: int = 0  # not at the sink, bounced, failed, expired … by ourselves
    lost: int = 0
    stuck: int = 0  # still waiting when the patience was over
    ghosts: int = 0
    altered: int = 0
    accepted_twice: int = 0  # one idempotency key, two emails
    twice_in_data: int = 0  # may be: the answer to the final dot is unknown
    twice: int = 0
    over_the_hour: int = 0
    came_in: int = 0  # by port 25, answered 250
    unstored: int = 0  # of those: in no mailbox
    uid_faults: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing happened that must not."""
        must_not = (self.lost, self.stuck, self.given_up, self.ghosts, self.altered, self.accepted_twice, self.twice)
        return not any((*must_not, self.over_the_hour, self.unstored, self.uid_faults))

    def blame(self, what: str, count: int, *, example: object) -> int:
        """Remembers an example of a fault; gives the count."""
        if count and len(self.examples) < 20:
            self.examples.append(f"{what}: {example}")
        return count


async def busiest_hour(url: str, account: UUID) -> int:
    """The most deliveries of an account that were released in any 60 minutes."""
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(_BUSIEST, account))
    finally:
        await connection.close()


async def count_waiting(url: str, accounts: Sequence[UUID]) -> int:
    """How many deliveries have not ended. Raises: OSError, asyncpg.PostgresError while the server is away."""
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(_UNENDED, accounts, _WAITING))
    finally:
        await connection.close()


async def judge(url: str, accounts: Sequence[UUID], ledger: Ledger, journal: Path) -> Judgement:
    """Compare the three."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(_DELIVERIES, accounts)
        contents = {row["content_id"]: row["content"] for row in await connection.fetch(_CONTENTS, accounts)}
    finally:
        await connection.close()
    stored: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        stored[row["address"]].append(row)
    found = _read_journal(journal)
    judgement = Judgement(accepted=len(ledger.accepted))
    for number in ledger.accepted:
        judge_accepted(judgement, stored.get(recipient(number), []), found.get(recipient(number), Counter()), number)
    known = {recipient(number) for number in ledger.tried}
    for address, copies in found.items():
        judge_copies(judgement, stored.get(address, []), copies, contents)
        if address not in known:
            judgement.ghosts += judgement.blame("ghost", 1, example=address)
    return judgement


Copies = Counter[tuple[str, str]]  # Message-ID and body hash


def judge_accepted(judgement: Judgement, rows: list[Any], copies: Copies, number: int) -> None:
    """Judge one number that was accepted, by its rows and its copies at the sink."""
    judgement.accepted_twice += judgement.blame("accepted twice", max(0, len(rows) - 1), example=number)
    if copies:
        judgement.delivered += 1
        return
    states = [row["state"] for row in rows]
    if any(state in _WAITING for state in states):
        judgement.stuck += judgement.blame("stuck", 1, example=(number, states))
    elif states and all(row["state"] == "bounced" and (row["code"] or 0) >= 500 for row in rows):
        judgement.refused += 1
    elif states and "sent" not in states:
        judgement.given_up += judgement.blame("given up", 1, example=(number, states))
    else:
        judgement.lost += judgement.blame("lost", 1, example=(number, states))


def judge_copies(judgement: Judgement, rows: list[Any], copies: Copies, contents: Mapping[Any, bytes]) -> None:
    """Judge what the sink has for one address."""
    by_id = {row["message_id"]: row for row in rows}
    times: Counter[str] = Counter()
    for (message_id, digest), count in copies.items():
        times[message_id] += count
        row = by_id.get(message_id)
        if row is None:
            judgement.ghosts += judgement.blame("ghost", 1, example=message_id)
        elif digest != _body_hash(contents[row["content_id"]]):
            judgement.altered += judgement.blame("altered", 1, example=message_id)
    for message_id, count in times.items():
        row = by_id.get(message_id)
        if count > 1 and row is not None and row["was_unknown"]:
            judgement.twice_in_data += count - 1
        elif count > 1:
            judgement.twice += judgement.blame("twice", count - 1, example=(message_id, count))


def _body_hash(content: bytes) -> str:
    return hashlib.sha256(content.partition(b"\r\n\r\n")[2]).hexdigest()


def _read_journal(journal: Path) -> dict[str, Copies]:
    found: dict[str, Copies] = defaultdict(Counter)
    for line in journal.read_text(errors="replace").splitlines():
        message_id, address, digest = line.split("\t")
        found[address][(message_id, digest)] += 1
    return found
