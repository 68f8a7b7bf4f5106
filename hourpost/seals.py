"""Seals: whether the secret key that was given is the one of the data, asked before anything is done with them.

With another one web takes mail that no worker can sign, and what is sealed meanwhile opens for nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from hourpost.database import Database, HotStatement
from hourpost.gateways.encryption import Cipher

# The oldest beside the newest: one row of somebody who had another key must not stop everybody.
_ENDS = HotStatement(
    """
(SELECT 'the DKIM keys of ' || name AS what, true AS signs, dkim_rsa_private AS sealed
 FROM domains WHERE dkim_rsa_private <> '' ORDER BY id DESC LIMIT 1)
UNION ALL
(SELECT 'the DKIM keys of ' || name, true, dkim_rsa_private
 FROM domains WHERE dkim_rsa_private <> '' ORDER BY id LIMIT 1)
UNION ALL
(SELECT 'the secrets of webhooks', false, secret FROM webhooks ORDER BY id DESC LIMIT 1)
UNION ALL
(SELECT 'the secrets of webhooks', false, secret FROM webhooks ORDER BY id LIMIT 1)
"""
)


@dataclass(frozen=True, slots=True)
class WrongKey:
    """What the keys do not open, in words; with ``is_whole`` they open nothing that mail needs."""

    words: str
    is_whole: bool


async def find_wrong_key(database: Database, cipher: Cipher) -> WrongKey | None:
    """None where all that is looked at can be opened, or nothing is sealed yet. Raises: ServiceUnavailable."""
    try:
        async with database.hot_statements() as connection:
            rows = await _ENDS.run(connection, {})
    except asyncpg.UndefinedTableError:
        return None
    closed = [row for row in rows if not cipher.has_key_of(row.sealed)]
    if not closed:
        return None
    needed = [row for row in rows if row.signs] or rows
    if all(row in closed for row in needed):
        return WrongKey(
            f"HOURPOST_SECRET_KEY is not the key of this database: neither it nor one of HOURPOST_PREVIOUS_SECRET_KEYS"
            f" opens {closed[0].what}",
            is_whole=True,
        )
    words = f"HOURPOST_PREVIOUS_SECRET_KEYS lacks a key: {closed[0].what} were sealed with none that is given"
    return WrongKey(words, is_whole=False)
