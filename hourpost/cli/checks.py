"""The checks of `hourpost doctor`: each looks at one thing, and none changes anything."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from sqlalchemy import text

from hourpost.assembly import broker_url
from hourpost.database import Database
from hourpost.emails.relays import read_relays_now
from hourpost.embedded.room import NONE_BYTES, describe
from hourpost.errors import HourpostError
from hourpost.flow.postman import find_owner
from hourpost.gateways.dns import ResolverDns
from hourpost.gateways.encryption import Cipher
from hourpost.gateways.redis_server import OLDEST, RedisServer, inspect_redis
from hourpost.gateways.relays import RelayCheck, RelayPool, RelayUrlInvalid, parse_relays
from hourpost.gateways.stripe import open_stripe
from hourpost.rules.addresses import parse_address
from hourpost.rules.plans import PLANS
from hourpost.settings import Settings
from migrations.upgrade import current_revision, newest_revision

_MOST_SKEW_SECONDS = 2.0
_RENEW_BEFORE = timedelta(days=14)
_TIMEOUT_SECONDS = 20.0
_PROBE = "example.com"


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``advice`` says what to do about it."""

    name: str
    level: Level
    text: str
    advice: str | None = None


Checker = Callable[[Settings], Awaitable[list[Check]]]


async def list_checks(settings: Settings) -> list[Check]:
    """Every check, all at once; none waits longer than twenty seconds."""
    found = await asyncio.gather(*(_run(name, check, settings) for name, check in _CHECKS))
    return [check for checks in found for check in checks]


async def _run(name: str, check: Checker, settings: Settings) -> list[Check]:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await check(settings)
    except TimeoutError:
        return [_failed(name, f"no answer in {_TIMEOUT_SECONDS:.0f} s", "look at the machine, the network, a firewall")]
    except HourpostError as error:
        cause = f" ({error.cause})" if error.cause else ""
        return [_failed(name, f"{error.message}{cause}", _ADVICE[name])]
    except (ValueError, OSError) as error:
        return [_failed(name, str(error), _ADVICE[name])]


async def _check_database(settings: Settings) -> list[Check]:
    assert settings.database_url is not None
    database = Database(settings.database_url.get_secret_value(), pool_size=2, application="hourpost doctor")
    try:
        async with database.reading() as connection:
            before = datetime.now(UTC)
            row = (await connection.execute(text("SELECT version(), clock_timestamp()"))).one()
            after = datetime.now(UTC)
        version, now = " ".join(str(row[0]).split()[:2]), row[1]
        skew = max((before - now).total_seconds(), (now - after).total_seconds(), 0.0)
        migrations = await _check_migrations(database)
        refused = await _check_logins(database) if migrations.level is Level.OK else []
        return [_ok("database", version), migrations, _skew("PostgreSQL", skew), *refused]
    finally:
        await database.close()


async def _check_migrations(database: Database) -> Check:
    current, newest = await current_revision(database), newest_revision()
    if current == newest:
        return _ok("migrations", f"at {current}")
    return _failed("migrations", f"at {current or 'none'}, this code expects {newest}", "run `hourpost migrate`")


async def _check_logins(database: Database) -> list[Check]:
    """What the workers that run now were told, with the settings that they have."""
    async with database.reading() as connection:
        found = [one for one in await read_relays_now(connection) if one.refuses_login]
    words = "{} refuses the log-in of {} of {} workers that run, since {:%Y-%m-%d %H:%M} UTC: {}"
    return [
        _failed(
            "relay login",
            words.format(one.relay, one.of_workers, one.workers, one.since, one.last_fault),
            f"{_RELAY_ADVICE['auth']}; restart the workers, which then try at once",
        )
        for one in found
    ]


async def _check_redis(settings: Settings) -> list[Check]:
    server = await inspect_redis(_redis_url(settings))
    if server.fault_as_counters:
        return [
            _failed("redis", server.fault_as_counters, "name one server, or a proxy before one, in HOURPOST_REDIS_URL")
        ]
    if server.refusal:
        return [_failed("redis", f"it takes nothing: {server.refusal}", "until it does, mail is accepted and held")]
    kept = _ok("redis", f"Redis {server.version}, {server.seconds * 1000:.1f} ms")
    if server.evicts:
        kept = _failed("redis", "it may evict keys: an hour would be forgotten", "set maxmemory-policy noeviction")
    elif not server.appends:
        kept = _warning(
            "redis", "without append-only file: hours are counted anew after a restart", "set appendonly yes"
        )
    elif server.is_old:
        kept = _old_redis("redis", server)
    return [kept, _skew("Redis", server.skew_seconds)]


async def _check_broker(settings: Settings) -> list[Check]:
    if settings.broker_url is None:
        _redis_url(settings)
    server = await inspect_redis(broker_url(settings))
    if server.fault_as_broker:
        return [_failed("broker", server.fault_as_broker, "name a Redis that is no cluster in HOURPOST_BROKER_URL")]
    if server.refusal:
        return [_failed("broker", f"it takes nothing: {server.refusal}", "until it does, mail leaves seconds later")]
    if server.evicts:
        return [_warning("broker", "it may evict hints, which then cost seconds", "set maxmemory-policy noeviction")]
    return [_old_redis("broker", server) if server.is_old else _ok("broker", f"Redis {server.version}")]


def _old_redis(name: str, server: RedisServer) -> Check:
    oldest = ".".join(map(str, OLDEST))
    return _warning(name, f"Redis {server.version} is older than any we are tried with", f"take {oldest} or newer")


async def _check_relays(settings: Settings) -> list[Check]:
    try:
        specs = parse_relays(settings.relays.get_secret_value())
    except RelayUrlInvalid as error:
        return [_failed("relays", str(error), "correct HOURPOST_RELAYS")]
    if not specs:
        return [_failed("relays", "none is configured", _ADVICE["relays"])]
    pool = RelayPool(specs, hostname=settings.hostname)
    try:
        checks = await pool.check()
        if settings.captured_in and all(check.is_ok for check in checks):
            words = f"the capture relay, which keeps all mail in {settings.captured_in}"
            return [Check("relay", Level.OK, words, f"to send it, {_ADVICE['relays']}")]
        return [_relay(check) for check in checks]
    finally:
        await pool.drain(1)


def _relay(check: RelayCheck) -> Check:
    if not check.is_ok:
        stage = f" at {check.stage}" if check.stage else ""
        return _failed(
            "relay", f"{check.relay}{stage}: {check.text}", _RELAY_ADVICE.get(check.stage, _ADVICE["relays"])
        )
    if check.tls_version is None:
        return _warning("relay", f"{check.relay}: logged in without TLS", "leave out tls=none where the relay has TLS")
    return _ok("relay", f"{check.relay}: logged in, {check.tls_version}, {check.seconds * 1000:.0f} ms")


async def _check_room(settings: Settings) -> list[Check]:
    """Room for what lies here; servers elsewhere have disks of their own."""
    free_bytes = shutil.disk_usage(settings.home).free
    words = describe(settings.home, free_bytes)
    if words is None:
        return [_ok("disk", f"{free_bytes // 1_024**3} GB left")]
    text, _, advice = words.partition(": ")
    return [_failed("disk", text, advice) if free_bytes < NONE_BYTES else _warning("disk", text, advice)]


async def _check_tls(settings: Settings) -> list[Check]:
    if settings.tls_certificate is None:
        if settings.embedded or settings.is_loopback:
            return [_ok("tls", "a self-signed certificate, enough for this machine")]
        return [_warning("tls", "the mail doors show a self-signed certificate", _ADVICE["tls"])]
    # Raises ssl.SSLError, an OSError, where key and certificate are not a pair
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key)
    return [_certificate(settings.tls_certificate, datetime.now(UTC))]


def _certificate(path: Path, now: datetime) -> Check:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    ends_at = certificate.not_valid_after_utc
    until = f"{ends_at:%Y-%m-%d}"
    if ends_at <= now:
        return _failed(
            "tls", f"the certificate ended on {until}", "renew it in its place; the mail doors take it by themselves"
        )
    if certificate.not_valid_before_utc > now:
        return _failed("tls", "the certificate is not valid yet", "look at the clock of this machine")
    if ends_at - now < _RENEW_BEFORE:
        return _warning(
            "tls", f"the certificate ends on {until}", "renew it in its place; the mail doors take it by themselves"
        )
    return _ok("tls", f"the certificate is valid until {until}")


async def _check_dns(settings: Settings) -> list[Check]:
    began_at = asyncio.get_running_loop().time()
    try:
        await ResolverDns(settings.dns_servers).find_txt(_PROBE)
    except HourpostError as error:
        if not settings.embedded:
            raise
        return [_warning("dns", error.message, "only *.test, *.example and *.localhost can be verified meanwhile")]
    return [_ok("dns", f"name servers answer in {(asyncio.get_running_loop().time() - began_at) * 1000:.0f} ms")]


async def _check_secret(settings: Settings) -> list[Check]:
    Cipher.from_settings(settings)
    return [_ok("secret key", "set")]


async def _check_stripe(settings: Settings) -> list[Check]:
    """Nothing where plans cost nothing."""
    stripe = open_stripe(settings)
    if stripe is None:
        return []
    try:
        missing = [plan for plan in PLANS if plan not in await stripe.list_prices()]
    finally:
        await stripe.aclose()
    if missing:
        return [_failed("stripe", f"no price for {', '.join(missing)}", "run `hourpost stripe sync-plans`")]
    if settings.stripe_webhook_secret is None:
        return [_warning("stripe", "its webhooks are not heard: changes are seen within a day", _ADVICE["stripe"])]
    return [_ok("stripe", "the plans are on sale")]


async def _check_own_mail(settings: Settings) -> list[Check]:
    if settings.own_sender is None:
        words = "HOURPOST_SYSTEM_SENDER is not set: nobody can sign up, be invited or reset a password"
        return [_warning("own mail", words, _ADVICE["own mail"])]
    domain = parse_address(settings.own_sender).domain
    assert settings.database_url is not None
    database = Database(settings.database_url.get_secret_value(), pool_size=1, application="hourpost doctor")
    try:
        async with database.reading() as connection:
            owner = await find_owner(connection, domain)
    finally:
        await database.close()
    if owner is None:
        return [_failed("own mail", f"{domain} is verified for no account", _ADVICE["own mail"])]
    if owner.suspended or not owner.limit:
        return [_failed("own mail", f"the account of {domain} has no plan, or is suspended", _ADVICE["own mail"])]
    return [_ok("own mail", f"from {settings.own_sender}")]


async def _check_sign_up(settings: Settings) -> list[Check]:
    """Whom anybody can make of themselves here, which is to be meant so."""
    if not settings.takes_sign_ups:
        return [_ok("sign-up", "closed: by invitation and `hourpost account create` alone")]
    if settings.own_sender is None:  # which the check of our own mail tells
        return []
    if settings.stripe_secret_key is None and not settings.is_loopback:
        return [_warning("sign-up", "open, and whoever signs up has any plan for nothing", _ADVICE["sign-up"])]
    return [_ok("sign-up", "open to everybody")]


def _redis_url(settings: Settings) -> str:
    if settings.redis_url is None:
        raise ValueError("HOURPOST_REDIS_URL is not set")
    return settings.redis_url.get_secret_value()


def _skew(server: str, seconds: float) -> Check:
    if seconds <= _MOST_SKEW_SECONDS:
        return _ok("clock", f"as {server}'s")
    return _failed("clock", f"{seconds:.1f} s from {server}'s", "let all machines follow one time server (NTP)")


def _ok(name: str, words: str) -> Check:
    return Check(name, Level.OK, words)


def _warning(name: str, words: str, advice: str) -> Check:
    return Check(name, Level.WARNING, words, advice)


def _failed(name: str, words: str, advice: str) -> Check:
    return Check(name, Level.FAILED, words, advice)


_CHECKS: tuple[tuple[str, Checker], ...] = (
    ("database", _check_database),
    ("redis", _check_redis),
    ("broker", _check_broker),
    ("relays", _check_relays),
    ("disk", _check_room),
    ("tls", _check_tls),
    ("dns", _check_dns),
    ("secret key", _check_secret),
    ("stripe", _check_stripe),
    ("own mail", _check_own_mail),
    ("sign-up", _check_sign_up),
)
_RELAY_ADVICE: dict[str | None, str] = {
    None: "look at the relay, the network, a firewall; for TLS from the start (465) HOURPOST_RELAYS says smtps://",
    "connect": "correct host and port in HOURPOST_RELAYS, or let this machine's firewall and network reach them",
    "tls": "name the relay in HOURPOST_RELAYS as its certificate does; ?ca=FILE.pem trusts a CA of your own; "
    "smtps:// is for TLS from the start (465), smtp:// for STARTTLS (587)",
    "auth": "correct user and password in HOURPOST_RELAYS, special characters percent-encoded (@ is %40)",
}
_ADVICE = {
    "database": "start PostgreSQL, or correct HOURPOST_DATABASE_URL",
    "redis": "start Redis, or correct HOURPOST_REDIS_URL; until then mail is accepted and held",
    "broker": "start Redis, or correct HOURPOST_BROKER_URL; until then mail leaves seconds later",
    "relays": "set HOURPOST_RELAYS, such as smtp://user:password@host:587",
    "disk": "look at HOURPOST_HOME",
    "tls": "set HOURPOST_TLS_CERTIFICATE and HOURPOST_TLS_KEY",
    "dns": "look at this machine's name servers, or set HOURPOST_DNS_SERVERS",
    "secret key": "set HOURPOST_SECRET_KEY to at least 16 random characters, the same for all parts",
    "own mail": "set HOURPOST_SYSTEM_SENDER to an address of a domain that an account with a plan has verified",
    "sign-up": "set HOURPOST_SIGN_UP=closed, or sell the plans with HOURPOST_STRIPE_SECRET_KEY",
    "stripe": "look at HOURPOST_STRIPE_SECRET_KEY and HOURPOST_STRIPE_WEBHOOK_SECRET",
}
