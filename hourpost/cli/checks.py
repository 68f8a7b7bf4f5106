"""The checks of `hourpost doctor`: each looks at one thing, and none changes anything."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.assembly import broker_url
from hourpost.cli.check import Check, Level, failed, ok, warning
from hourpost.cli.database_faults import of_database
from hourpost.cli.faults import of_certificate, of_names
from hourpost.cli.relay_checks import ADVICE as RELAY_ADVICE
from hourpost.cli.relay_checks import check_logins, check_relays
from hourpost.database import STATEMENT_FAULTS, Database
from hourpost.embedded.room import describe
from hourpost.errors import DiskFull, HourpostError, ServiceUnavailable
from hourpost.flow.postman import find_owner
from hourpost.gateways.dns import ResolverDns
from hourpost.gateways.encryption import Cipher
from hourpost.gateways.redis_server import OLDEST, RedisServer, inspect_redis
from hourpost.gateways.stripe import open_stripe
from hourpost.inbound.addressees import find_postmaster
from hourpost.poolers import WORDS as POOLER
from hourpost.poolers import Pooler, find_pooler, refuses_sessions
from hourpost.rules.addresses import parse_address
from hourpost.rules.plans import PLANS
from hourpost.rules.room import NONE_BYTES
from hourpost.rules.subscriptions import TERMS, Price, lookup_key
from hourpost.seals import WrongKey, find_wrong_key
from hourpost.settings import Settings, list_unknown_variables, list_unreadable_lines
from migrations.revision import is_newer, newer_words, newest_file_revision
from migrations.upgrade import current_revision

_MOST_SKEW_SECONDS = 2.0
_SEALED = "give the key that the database was used with, in HOURPOST_SECRET_KEY or HOURPOST_PREVIOUS_SECRET_KEYS"
_RENEW_BEFORE = timedelta(days=14)
_TIMEOUT_SECONDS = 20.0
_PROBE = "example.com"


Checker = Callable[[Settings], Awaitable[list[Check]]]


async def list_checks(settings: Settings) -> list[Check]:
    """Every check, all at once; none waits longer than twenty seconds.

    Of what is read in the database nothing is said while that is away: to set other variables would not help.
    """
    found = await asyncio.gather(*(_run(name, check, settings) for name, check in _CHECKS))
    is_away = any(one.name == "database" and one.level is Level.FAILED for checks in found for one in checks)
    return [_not_looked_at(one) if is_away and one.name in _IN_DATABASE else one for checks in found for one in checks]


def _not_looked_at(check: Check) -> Check:
    """Unless its fault was found without the database."""
    if check.level is not Level.FAILED:
        return check
    return warning(check.name, "not looked at: the database is away", "see database above")


async def _run(name: str, check: Checker, settings: Settings) -> list[Check]:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await check(settings)
    except TimeoutError:
        return [failed(name, f"no answer in {_TIMEOUT_SECONDS:.0f} s", "look at the machine, the network, a firewall")]
    except HourpostError as error:
        cause = f" ({error.cause})" if error.cause else ""
        advice = _ADVICE["room" if isinstance(error, DiskFull) else name]
        return [failed(name, f"{error.message}{cause}", advice)]
    except (ValueError, OSError) as error:
        return [failed(name, str(error), _ADVICE[name])]
    except STATEMENT_FAULTS as error:
        return [failed(name, f"PostgreSQL refuses a statement: {str(error).splitlines()[0]}", _ADVICE["database"])]


async def _check_settings(settings: Settings) -> list[Check]:
    """What no part would start with, and no other check looks at."""
    faults = [failed("settings", fault, _ADVICE["settings"]) for fault in of_names(settings)]
    found = [*list_unreadable_lines(), *list_unknown_variables()]
    strange = [warning("settings", words, _ADVICE["strange"]) for words in found]
    return [*faults, *strange] or [ok("settings", "each can be what it is")]


async def _check_database(settings: Settings) -> list[Check]:
    database = _open_database(settings, pool_size=2)
    try:
        pooler = await _find_pooler(database)
        if pooler is Pooler.PER_TRANSACTION:
            return [failed("database", POOLER, _ADVICE["pooler"])]
        async with database.reading() as connection:
            before = datetime.now(UTC)
            row = (await connection.execute(text("SELECT version(), clock_timestamp()"))).one()
            after = datetime.now(UTC)
        version, now = " ".join(str(row[0]).split()[:2]), row[1]
        skew = max((before - now).total_seconds(), (now - after).total_seconds(), 0.0)
        migrations = await _check_migrations(database)
        refused = await check_logins(database) if migrations.level is not Level.FAILED else []
        found = ok("database", version)
        if pooler is not None:
            found = warning("database", f"{version}, behind a pooler, which must be in session mode", _ADVICE["pooler"])
        return [found, migrations, _skew("PostgreSQL", skew), *refused]
    finally:
        await database.close()


async def _find_pooler(database: Database) -> Pooler | None:
    try:
        return await find_pooler(database)
    except ServiceUnavailable as error:
        if refuses_sessions(error.cause):
            return Pooler.PER_TRANSACTION
        raise


def _open_database(settings: Settings, *, pool_size: int) -> Database:
    """Raises: ValueError for an address that cannot be one."""
    assert settings.database_url is not None  # running_settings has it or raises
    for fault in of_database(settings):
        raise ValueError(fault)
    return Database(settings.database_url.get_secret_value(), pool_size=pool_size, application="hourpost doctor")


async def _check_migrations(database: Database) -> Check:
    current, newest = await current_revision(database), newest_file_revision()
    if current == newest:
        return ok("migrations", f"at {current}")
    if current is not None and is_newer(current, newest):
        return warning("migrations", newer_words(current, newest), "this one works beside it; upgrade it when you can")
    return failed("migrations", f"at {current or 'none'}, this code expects {newest}", "run `hourpost migrate`")


async def _check_redis(settings: Settings) -> list[Check]:
    server = await inspect_redis(_redis_url(settings))
    if server.fault_as_counters:
        return [
            failed("redis", server.fault_as_counters, "name one server, or a proxy before one, in HOURPOST_REDIS_URL")
        ]
    if server.refusal:
        return [failed("redis", f"it takes nothing: {server.refusal}", "until it does, mail is accepted and held")]
    kept = ok("redis", f"Redis {server.version}, {server.seconds * 1000:.1f} ms")
    if server.evicts:
        kept = failed("redis", "it may evict keys: an hour would be forgotten", "set maxmemory-policy noeviction")
    elif not server.appends:
        kept = warning(
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
        return [failed("broker", server.fault_as_broker, "name a Redis that is no cluster in HOURPOST_BROKER_URL")]
    if server.refusal:
        return [failed("broker", f"it takes nothing: {server.refusal}", "until it does, mail leaves seconds later")]
    if server.evicts:
        return [warning("broker", "it may evict hints, which then cost seconds", "set maxmemory-policy noeviction")]
    return [_old_redis("broker", server) if server.is_old else ok("broker", f"Redis {server.version}")]


def _old_redis(name: str, server: RedisServer) -> Check:
    oldest = ".".join(map(str, OLDEST))
    return warning(name, f"Redis {server.version} is older than any we are tried with", f"take {oldest} or newer")


async def _check_room(settings: Settings) -> list[Check]:
    """Room for what lies here; servers elsewhere have disks of their own."""
    free_bytes = shutil.disk_usage(settings.home).free
    words = describe(settings.home, free_bytes)
    if words is None:
        return [ok("disk", f"{free_bytes // 1_024**3} GB left")]
    text, _, advice = words.partition(": ")
    return [failed("disk", text, advice) if free_bytes < NONE_BYTES else warning("disk", text, advice)]


async def _check_tls(settings: Settings) -> list[Check]:
    if faults := list(of_certificate(settings)):
        return [failed("tls", fault, _ADVICE["tls"]) for fault in faults]
    if settings.tls_certificate is None:
        if settings.embedded or settings.is_loopback:
            return [ok("tls", "a self-signed certificate, enough for this machine")]
        return [warning("tls", "the mail doors show a self-signed certificate", _ADVICE["tls"])]
    return [_certificate(settings.tls_certificate, datetime.now(UTC))]


def _certificate(path: Path, now: datetime) -> Check:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    ends_at = certificate.not_valid_after_utc
    until = f"{ends_at:%Y-%m-%d}"
    if ends_at <= now:
        return failed(
            "tls", f"the certificate ended on {until}", "renew it in its place; the mail doors take it by themselves"
        )
    if certificate.not_valid_before_utc > now:
        return failed("tls", "the certificate is not valid yet", "look at the clock of this machine")
    if ends_at - now < _RENEW_BEFORE:
        return warning(
            "tls", f"the certificate ends on {until}", "renew it in its place; the mail doors take it by themselves"
        )
    return ok("tls", f"the certificate is valid until {until}")


async def _check_dns(settings: Settings) -> list[Check]:
    began_at = asyncio.get_running_loop().time()
    try:
        await ResolverDns(settings.dns_servers).find_txt(_PROBE)
    except HourpostError as error:
        if not settings.embedded:
            raise
        return [warning("dns", error.message, "only *.test, *.example and *.localhost can be verified meanwhile")]
    return [ok("dns", f"name servers answer in {(asyncio.get_running_loop().time() - began_at) * 1000:.0f} ms")]


async def _check_secret(settings: Settings) -> list[Check]:
    cipher = Cipher.from_settings(settings)
    try:
        wrong = await _find_wrong_key(settings, cipher)
    except (ServiceUnavailable, ValueError):
        return [warning("secret key", "set; whether it is the data's is not known", "see database above")]
    if wrong is not None:
        return [failed("secret key", wrong.words, _SEALED)]
    return [ok("secret key", "set, and opens what is sealed")]


async def _find_wrong_key(settings: Settings, cipher: Cipher) -> WrongKey | None:
    database = _open_database(settings, pool_size=1)
    try:
        return await find_wrong_key(database, cipher)
    finally:
        await database.close()


async def _check_stripe(settings: Settings) -> list[Check]:
    """Nothing where plans cost nothing."""
    stripe = open_stripe(settings)
    if stripe is None:
        return []
    try:
        prices = await stripe.list_prices()
    finally:
        await stripe.aclose()
    if missing := [plan for plan in PLANS if plan not in prices]:
        return [failed("stripe", f"no price for {', '.join(missing)}", "run `hourpost stripe sync-plans`")]
    if wrong := [_wrong_price(plan, prices[plan]) for plan in PLANS if not prices[plan].asks(PLANS[plan].price_cents)]:
        return [failed("stripe", "; ".join(wrong), "run `hourpost stripe sync-plans`")]
    if settings.stripe_webhook_secret is None:
        return [warning("stripe", "its webhooks are not heard: changes are seen within a day", _ADVICE["stripe"])]
    return [ok("stripe", "the plans are on sale")]


def _wrong_price(plan: str, price: Price) -> str:
    asked = "no fixed amount" if price.amount_cents is None else f"{price.amount_cents / 100:.2f}"
    offered = f"{PLANS[plan].price_cents / 100:.2f}"
    return f"{lookup_key(plan)} asks for {asked} {price.terms}, the pages for {offered} {TERMS}"


async def _check_own_mail(settings: Settings) -> list[Check]:
    if settings.own_sender is None:
        words = "HOURPOST_SYSTEM_SENDER is not set: nobody can sign up, be invited or reset a password"
        return [warning("own mail", words, _ADVICE["own mail"])]
    domain = parse_address(settings.own_sender).domain
    async with _reading(settings) as connection:
        owner = await find_owner(connection, domain)
    if owner is None:
        return [failed("own mail", f"{domain} is verified for no account", _ADVICE["own mail"])]
    if owner.suspended or not owner.limit:
        return [failed("own mail", f"the account of {domain} has no plan, or is suspended", _ADVICE["own mail"])]
    return [ok("own mail", f"from {settings.own_sender}")]


async def _check_postmaster(settings: Settings) -> list[Check]:
    """Whether what others write to who runs this machine is read (RFC 5321 §4.5.1)."""
    async with _reading(settings) as connection:
        reader = await find_postmaster(connection, settings.postmaster)
    if reader is not None:
        return [ok("postmaster", f"{reader.address} reads for it")]
    if settings.postmaster:
        words = f"HOURPOST_POSTMASTER is {settings.postmaster}, which no mailbox here has: port 25 answers 451 instead"
    elif settings.embedded and settings.is_loopback:
        return [ok("postmaster", "nobody reads for it, and nobody outside of this machine reaches port 25")]
    else:
        words = f"nobody reads what is for postmaster@{settings.hostname}: port 25 answers 451 to it"
    return [warning("postmaster", words, _ADVICE["postmaster"])]


@asynccontextmanager
async def _reading(settings: Settings) -> AsyncIterator[AsyncConnection]:
    database = _open_database(settings, pool_size=1)
    try:
        async with database.reading() as connection:
            yield connection
    finally:
        await database.close()


async def _check_sign_up(settings: Settings) -> list[Check]:
    """Whom anybody can make of themselves here, which is to be meant so."""
    if not settings.takes_sign_ups:
        return [ok("sign-up", "closed: by invitation and `hourpost account create` alone")]
    if settings.own_sender is None:  # which the check of our own mail tells
        return []
    if settings.stripe_secret_key is None and not settings.is_loopback:
        return [warning("sign-up", "open, and whoever signs up has any plan for nothing", _ADVICE["sign-up"])]
    return [ok("sign-up", "open to everybody")]


def _redis_url(settings: Settings) -> str:
    if settings.redis_url is None:
        raise ValueError("HOURPOST_REDIS_URL is not set")
    return settings.redis_url.get_secret_value()


def _skew(server: str, seconds: float) -> Check:
    if seconds <= _MOST_SKEW_SECONDS:
        return ok("clock", f"as {server}'s")
    return failed("clock", f"{seconds:.1f} s from {server}'s", "let all machines follow one time server (NTP)")


_CHECKS: tuple[tuple[str, Checker], ...] = (
    ("settings", _check_settings),
    ("database", _check_database),
    ("redis", _check_redis),
    ("broker", _check_broker),
    ("relays", check_relays),
    ("disk", _check_room),
    ("tls", _check_tls),
    ("dns", _check_dns),
    ("secret key", _check_secret),
    ("stripe", _check_stripe),
    ("own mail", _check_own_mail),
    ("postmaster", _check_postmaster),
    ("sign-up", _check_sign_up),
)
_IN_DATABASE = ("own mail", "postmaster")
_ADVICE = {
    "settings": "no part starts until it is corrected; `hourpost settings` says what each means",
    "strange": "correct its name or the line, or take it away",
    "database": "start PostgreSQL, or correct HOURPOST_DATABASE_URL",
    "room": "make room on it; then PostgreSQL, and all that waits for it, goes on by itself",
    "pooler": "name PostgreSQL itself in HOURPOST_DATABASE_URL; each process keeps to 15 connections by itself",
    "redis": "start Redis, or correct HOURPOST_REDIS_URL; until then mail is accepted and held",
    "broker": "start Redis, or correct HOURPOST_BROKER_URL; until then mail leaves seconds later",
    "relays": RELAY_ADVICE,
    "disk": "look at HOURPOST_HOME",
    "tls": "set HOURPOST_TLS_CERTIFICATE and HOURPOST_TLS_KEY to PEM files that there are in this part (of containers,"
    " smtp, imap and pop3 have them)",
    "dns": "look at this machine's name servers, or set HOURPOST_DNS_SERVERS",
    "secret key": "set HOURPOST_SECRET_KEY to at least 16 random characters, the same for all parts",
    "own mail": "set HOURPOST_SYSTEM_SENDER to an address of a domain that an account with a plan has verified",
    "postmaster": "set HOURPOST_POSTMASTER to a mailbox here, or make one in an account of whom"
    " `hourpost account staff` names",
    "sign-up": "set HOURPOST_SIGN_UP=closed, or sell the plans with HOURPOST_STRIPE_SECRET_KEY",
    "stripe": "look at HOURPOST_STRIPE_SECRET_KEY and HOURPOST_STRIPE_WEBHOOK_SECRET",
}
