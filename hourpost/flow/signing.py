"""Signing: the DKIM-Signature fields of an email, by keys that are parsed once and kept for minutes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from hourpost.aside import aside
from hourpost.database import Database
from hourpost.domains.queries import load_dkim_keys
from hourpost.flow.claim import Claimed
from hourpost.gateways.encryption import Cipher
from hourpost.rules.dkim import SigningKey, load_signing_key, sign

_KEEP_SECONDS = 300.0
_KEEP_DOMAINS = 10_000


class DkimSigner:
    """Signs with the keys of the email's domain: RSA always, Ed25519 where that is asked for.

    A choice or a record that changes is known everywhere within five minutes.
    """

    def __init__(self, database: Database, cipher: Cipher, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._cipher = cipher
        self._clock = clock
        self._kept: dict[UUID, tuple[float, tuple[SigningKey, ...]]] = {}
        self._loading: dict[UUID, asyncio.Task[tuple[SigningKey, ...]]] = {}

    async def sign(self, email: Claimed, content: Sequence[bytes]) -> bytes:
        """Header lines for the top of ``content``: the same on every attempt (RFC 6376, RFC 8463)."""
        if email.domain_id is None:
            return b""
        keys = await self._keys(email.domain_id)
        if not keys:
            return b""
        return await aside(email.size_bytes, lambda: sign(b"".join(content), keys, email.created_at))

    async def _keys(self, domain_id: UUID) -> tuple[SigningKey, ...]:
        kept = self._kept.get(domain_id)
        if kept is not None and kept[0] > self._clock():
            return kept[1]
        loading = self._loading.get(domain_id)
        if loading is None:  # hundreds may ask at once, for one domain
            self._loading[domain_id] = loading = asyncio.create_task(self._load(domain_id))
            loading.add_done_callback(lambda _: self._loading.pop(domain_id))
        return await asyncio.shield(loading)

    async def _load(self, domain_id: UUID) -> tuple[SigningKey, ...]:
        async with self._database.reading() as connection:
            found = await load_dkim_keys(connection, self._cipher, domain_id)
        keys = tuple(load_signing_key(key.selector, key.domain, key.algorithm, key.private_pem) for key in found)
        if len(self._kept) >= _KEEP_DOMAINS:
            self._kept.clear()
        self._kept[domain_id] = (self._clock() + _KEEP_SECONDS, keys)
        return keys
