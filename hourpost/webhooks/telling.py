"""Telling: a call for each webhook that wants an event, written in the transaction that writes the event.

Nothing is locked: a call may be written while its webhook is being deleted, and is erased then (``erasing``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.rules.ids import new_id

# Whose webhooks there are is looked up once for each account, not for each event.
_TOLD = """RETURNING email_id, id, account_id, kind, at
), hooks AS MATERIALIZED (
  SELECT id, account_id, kinds FROM webhooks
  WHERE account_id IN (SELECT DISTINCT account_id FROM told) AND disabled_at IS NULL"""
_CALLS = """
  INSERT INTO webhook_calls (webhook_id, event_id, email_id, kind, due_at, created_at)
  SELECT w.id, t.id, t.email_id, t.kind, t.at, t.at
  FROM told t JOIN hooks w ON w.account_id = t.account_id AND t.kind = ANY(w.kinds)
  RETURNING webhook_id
"""

_ANNOUNCE = text(
    """
INSERT INTO webhook_calls (webhook_id, event_id, kind, payload, due_at, created_at)
SELECT id, CAST(:event AS uuid), :kind, CAST(:payload AS jsonb), :now, :now FROM webhooks
WHERE account_id = :account AND :kind = ANY(kinds) AND disabled_at IS NULL
"""
)


def with_calls(statement: str) -> str:
    """A statement that writes events in its part ``told``, with the calls of webhooks written along.

    ``{told}`` stands at the end of that part, before its bracket; ``{calls}`` where the calls are written. An account
    without webhooks costs one look into their index.
    """
    return statement.replace("{told}", _TOLD).replace("{calls}", _CALLS)


def without_calls(statement: str) -> str:
    """The same without them, for what cannot be written with them."""
    return statement.replace("{told}", "").replace("{calls}", "SELECT FROM changed LIMIT 0")


async def announce(
    connection: AsyncConnection, account_id: UUID, kind: str, data: Mapping[str, Any], now: datetime
) -> int:
    """Tell the webhooks of an account of something that is no event of a delivery; gives how many will be called.

    ``data`` becomes the field ``data`` of the call. ``kind`` is one of ``kinds.TYPES``.
    """
    payload = orjson.dumps(data, option=orjson.OPT_UTC_Z).decode()
    arguments = {"event": new_id(), "kind": kind, "payload": payload, "account": account_id, "now": now}
    return (await connection.execute(_ANNOUNCE, arguments)).rowcount
