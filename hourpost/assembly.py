"""Assembly: the real gateways put together for a process; the entry points call it and nobody else."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hourpost.credentials.listening import ChangeListener
from hourpost.credentials.standing import StandingCache
from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.flow.accept import Intake
from hourpost.flow.forward import Forwarding, Ring
from hourpost.flow.keep import Keeper
from hourpost.flow.release import Releaser
from hourpost.gateways.attempts import RedisAttempts
from hourpost.gateways.clock import Clock, SystemClock
from hourpost.gateways.encryption import Cipher
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.gateways.hints import CeleryHints
from hourpost.gateways.hour import Hour, RedisHour
from hourpost.gateways.throttle import RedisThrottle
from hourpost.mailboxes.login import MailboxLogins
from hourpost.mailboxes.store import MailStore
from hourpost.settings import Settings

_START_TRIES, _START_PAUSE_SECONDS = 300, 0.1


@dataclass(frozen=True, slots=True)
class Parts:
    """What a door works with; ``start`` before use, ``stop`` after."""

    settings: Settings
    database: Database
    hour: RedisHour
    hints: CeleryHints
    intake: Intake
    releaser: Releaser
    standings: StandingCache
    mail: MailStore
    logins: MailboxLogins
    clock: Clock
    throttle: RedisThrottle
    attempts: RedisAttempts

    async def start(self) -> None:
        """Begin to take orders, as soon as PostgreSQL answers. Raises: ServiceUnavailable after half a minute."""
        await _patiently(self.standings.start)
        await _patiently(self.logins.start)
        await self.mail.start()
        await self.intake.start()

    async def stop(self) -> None:
        """Let what is under way end, then close every connection."""
        await self.intake.stop()
        await self.mail.stop()
        await self.logins.stop()
        await self.standings.stop()
        await self.throttle.aclose()
        await self.attempts.aclose()
        await self.hour.aclose()
        await self.database.close()


async def _patiently(start: Callable[[], Awaitable[None]]) -> None:
    for _ in range(_START_TRIES):
        try:
            return await start()
        except ServiceUnavailable:
            await asyncio.sleep(_START_PAUSE_SECONDS)
    await start()


def database_url(settings: Settings) -> str:
    """PostgreSQL."""
    assert settings.database_url is not None  # the entry point has filled in the embedded server's
    return settings.database_url.get_secret_value()


def redis_url(settings: Settings) -> str:
    """The Redis of what is counted over all processes."""
    assert settings.redis_url is not None  # the entry point has filled in the embedded server's
    return settings.redis_url.get_secret_value()


def broker_url(settings: Settings) -> str:
    """Celery's Redis: its own where one is configured, else database 0 of the buckets' server."""
    if settings.broker_url is not None:
        return settings.broker_url.get_secret_value()
    return _redis(settings, 0)


def _redis(settings: Settings, number: int) -> str:
    url = redis_url(settings)
    if "://" in url and url.startswith(("redis+socket", "unix")):
        return url
    head, _, tail = url.partition("://")
    host, _, path = tail.partition("/")
    return f"{head}://{host}/{number}" if not path else url


def build_parts(settings: Settings, application: str) -> Parts:
    """Everything of a door on the running loop; ``application`` names it in PostgreSQL."""
    clock = SystemClock()
    database = Database(database_url(settings), pool_size=settings.database_pool, application=application)
    hour = RedisHour(redis_url(settings))
    throttle = RedisThrottle(redis_url(settings))
    hints = CeleryHints(broker_url(settings))
    intake = Intake(database, hour, hints, clock)
    releaser = Releaser(database, hour, hints, clock)
    changes = ChangeListener(database)
    standings = StandingCache(database, clock, changes)
    mail = MailStore(database, RedisFolderFeed(redis_url(settings)), clock)
    attempts, cipher = RedisAttempts(redis_url(settings)), Cipher.from_settings(settings)
    logins = MailboxLogins(database, attempts, clock, cipher, key=_login_key(settings), changes=changes)
    return Parts(settings, database, hour, hints, intake, releaser, standings, mail, logins, clock, throttle, attempts)


def _login_key(settings: Settings) -> bytes:
    secret = settings.secret_key.get_secret_value() if settings.secret_key is not None else ""
    return hashlib.sha256(b"mailbox logins\0" + secret.encode()).digest()


def build_keeper(database: Database, hour: Hour, mail: MailStore, ring: Ring) -> Keeper:
    """What puts messages into mailboxes, on connections that somebody else closes; ``ring`` is for what goes on."""
    clock = SystemClock()
    return Keeper(database, mail, Forwarding(database, hour, ring, clock), clock)
