"""Who shows a token and what they may do: looked up once, remembered for seconds, forgotten at once on any change."""

from __future__ import annotations

import asyncio
import hmac
import random
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import TypeVar
from uuid import UUID

from hourpost.accounts.notices import STANDING_CHANNEL
from hourpost.batcher import Batcher
from hourpost.credentials.listening import ChangeListener
from hourpost.credentials.lookup import Found, find_account_standings, find_standings
from hourpost.credentials.usage import UsageLog
from hourpost.database import Database
from hourpost.errors import Forbidden, NotAuthenticated
from hourpost.gateways.clock import Clock
from hourpost.rules.submission import Standing
from hourpost.rules.tokens import SMTP, digest, looks_valid

# Changes are told at once; the limit is for what nobody tells, such as rows changed by hand.
REMEMBERED_SECONDS = 120.0
MOST_REMEMBERED = 50_000
Item = TypeVar("Item")
_SPREAD = (0.5, 1.0)  # so that what was looked up together does not end together
_AT_ONCE = 100  # an account may have a thousand domains, a row each
_FLIGHTS = 3  # one backend may stand still while the server lives
_WRONG_KEY = "API key is invalid"
_WRONG_LOGIN = "Authentication credentials invalid"


class StandingCache:
    """The standings of one process. Until ``start`` and while PostgreSQL is away nothing is remembered."""

    def __init__(self, database: Database, clock: Clock, changes: ChangeListener | None = None) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[bytes, tuple[float, Found | None]] = {}
        self._digests: dict[UUID, set[bytes]] = {}  # of what is known, by account
        self._loading: dict[bytes, asyncio.Future[Found | None]] = {}
        self._by_hash = Batcher(self._look_up, at_once=_AT_ONCE, flights=_FLIGHTS)
        self._by_account = Batcher(self._look_up_accounts, at_once=_AT_ONCE, flights=_FLIGHTS)
        self._changes = changes or ChangeListener(database)
        self._changes.subscribe(STANDING_CHANNEL, on_change=self._forget, on_silence=self._forget_all)
        self._usage = UsageLog(database, clock)

    async def start(self) -> None:
        """Listen for changes, and write down from time to time what was used. Raises: ServiceUnavailable."""
        await self._changes.start()
        self._usage.start()

    async def stop(self) -> None:
        """Write down what was used, and stop listening."""
        await self._usage.stop()
        await self._changes.stop()
        self._forget_all()

    async def by_token(self, token: str) -> Standing:
        """The standing of an API key.

        Raises: NotAuthenticated without a token; Forbidden (``invalid_api_key``) for one that is unknown, revoked,
        expired or no API key; ServiceUnavailable.
        """
        key = digest(token)
        entry = self._known.get(key)
        found = entry[1] if entry is not None and entry[0] > monotonic() else await self._find(token, key)
        if found is None or found.standing.kind != "api_key" or self._has_expired(found.standing):
            raise self._refusal(token)
        self._note_use(found)
        return found.standing

    async def by_smtp_login(self, username: str, password: str) -> Standing:
        """The standing of an SMTP credential, or of an API key given as password for any user name.

        What does not fit is refused in the same words and after the same work, whichever half of it was wrong.

        Raises: Forbidden (``invalid_api_key``), ServiceUnavailable.
        """
        key = digest(password)
        entry = self._known.get(key)
        found = entry[1] if entry is not None and entry[0] > monotonic() else await self._find(password, key)
        if found is None or self._has_expired(found.standing) or not _may_log_in(found, username, password):
            raise Forbidden("invalid_api_key", _WRONG_LOGIN)
        self._note_use(found)
        return found.standing

    async def by_account(self, account_id: UUID) -> Standing:
        """What an account itself may do. Raises: Forbidden, ServiceUnavailable."""
        key = b"account " + account_id.bytes
        entry = self._known.get(key)
        if entry is not None and entry[0] > monotonic():
            found = entry[1]
        else:
            found = await self._share(key, account_id, self._by_account)
        if found is None:
            raise Forbidden("invalid_login", _WRONG_LOGIN)
        return found.standing

    async def _find(self, token: str, key: bytes) -> Found | None:
        return await self._share(key, key, self._by_hash) if looks_valid(token) else None

    async def _share(self, key: bytes, item: Item, look_ups: Batcher[Item, Found | None]) -> Found | None:
        """Look it up, with others of the same moment; callers who ask for the same meanwhile share the answer."""
        future = self._loading.get(key)
        if future is None:
            future = self._loading[key] = look_ups.send(item)
            future.add_done_callback(partial(self._keep, key))
        return await asyncio.shield(future)

    def _keep(self, key: bytes, future: asyncio.Future[Found | None]) -> None:
        # Whoever was told of a change while we were reading has taken us out of here: then nothing is kept.
        if self._loading.get(key) is not future:
            return
        del self._loading[key]
        if future.exception() is None and self._changes.hears:
            self._remember(key, future.result())

    async def _look_up(self, hashes: Sequence[bytes]) -> list[Found | None]:
        async with self._database.hot_statements() as connection:
            return await find_standings(connection, hashes)

    async def _look_up_accounts(self, accounts: Sequence[UUID]) -> list[Found | None]:
        async with self._database.hot_statements() as connection:
            return await find_account_standings(connection, accounts)

    def _note_use(self, found: Found) -> None:
        if found.credential_id is not None:
            self._usage.credentials.add(found.credential_id)

    def _remember(self, key: bytes, found: Found | None) -> None:
        if len(self._known) >= MOST_REMEMBERED:
            self._drop(next(iter(self._known)))  # the oldest
        self._drop(key)
        self._known[key] = (monotonic() + REMEMBERED_SECONDS * random.uniform(*_SPREAD), found)  # noqa: S311  # jitter
        if found is not None:
            self._digests.setdefault(found.standing.account_id, set()).add(key)

    def _drop(self, key: bytes) -> None:
        entry = self._known.pop(key, None)
        if entry is None or entry[1] is None:
            return
        account_id = entry[1].standing.account_id
        keys = self._digests.get(account_id, set())
        keys.discard(key)
        if not keys:
            self._digests.pop(account_id, None)

    def _forget(self, account_id: UUID) -> None:
        self._loading.clear()
        for key in self._digests.pop(account_id, ()):
            self._known.pop(key, None)

    def _forget_all(self) -> None:
        self._loading.clear()
        self._known.clear()
        self._digests.clear()

    def _has_expired(self, standing: Standing) -> bool:
        return standing.expires_at is not None and standing.expires_at <= self._clock.now()

    def _refusal(self, token: str) -> Forbidden | NotAuthenticated:
        if not token:
            return NotAuthenticated("Missing API key: send it as `Authorization: Bearer hp_live_…`")
        return Forbidden("invalid_api_key", _WRONG_KEY)


def _may_log_in(found: Found, username: str, password: str) -> bool:
    if not password.startswith(SMTP):
        return found.standing.kind == "api_key"
    return hmac.compare_digest((found.username or "").encode(), username.encode("utf-8", "surrogatepass"))
