"""Earlier: what is known already of the orders on board — recipients that are suppressed, keys that were used.

And what PostgreSQL's clock says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hourpost.database import HOT_SECONDS, HotStatement
from hourpost.rules.submission import Order

_EARLIER = HotStatement(
    "SELECT p.account, p.address AS name, NULL::bytea AS body_sha256, NULL::jsonb AS answer"
    " FROM unnest(:s_account::uuid[], :s_address::text[]) AS p(account, address)"
    " JOIN suppressions s ON s.account_id = p.account AND s.address = p.address"
    " UNION ALL SELECT k.account_id, k.key, k.body_sha256, k.answer"
    " FROM unnest(:k_account::uuid[], :k_key::text[]) AS w(account, key)"
    " JOIN idempotency_keys k ON k.account_id = w.account AND k.key = w.key"
    " UNION ALL SELECT NULL, extract(epoch FROM now())::text, NULL, NULL",
    seconds=HOT_SECONDS,
)


@dataclass(frozen=True, slots=True)
class Known:
    """What an idempotency key was used for."""

    body_sha256: bytes
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Earlier:
    """(account, address in lower case) that are suppressed, and (account, key) that were used before.

    ``at`` is PostgreSQL's time.
    """

    suppressed: set[tuple[UUID, str]]
    known: dict[tuple[UUID, str], Known]
    at: datetime


async def find_earlier(connection: asyncpg.Connection, orders: Sequence[Order]) -> Earlier:
    """What concerns ``orders``, in one statement."""
    pairs = list(dict.fromkeys(_recipients(orders)))
    keys = [(order.standing.account_id, order.idempotency_key) for order in orders if order.idempotency_key]
    rows = await _EARLIER.run(
        connection,
        {
            "s_account": [account for account, _ in pairs],
            "s_address": [address for _, address in pairs],
            "k_account": [account for account, _ in keys],
            "k_key": [key for _, key in keys],
        },
    )
    suppressed, known, at = set(), {}, 0.0
    for account, name, body_sha256, answer in rows:
        if account is None:
            at = float(name)
        elif body_sha256 is None:
            suppressed.add((account, name))
        else:
            known[account, name] = Known(body_sha256, orjson.loads(answer))
    return Earlier(suppressed, known, datetime.fromtimestamp(at, UTC))


def _recipients(orders: Iterable[Order]) -> Iterable[tuple[UUID, str]]:
    for order in orders:
        for submission in order.submissions:
            for address in submission.recipients:
                yield order.standing.account_id, address.lower()
