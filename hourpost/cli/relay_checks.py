"""What `hourpost doctor` says of the relays: now, and as the workers that run were told."""

from __future__ import annotations

from hourpost.cli.check import Check, Level, failed, ok, warning
from hourpost.database import Database
from hourpost.emails.relays import read_relays_now
from hourpost.gateways.relays import RelayCheck, RelayPool, RelaySpec, RelayUrlInvalid, parse_relays
from hourpost.gateways.relays.spec import TlsMode
from hourpost.rules.submission import MAX_MESSAGE_BYTES
from hourpost.settings import Settings

ADVICE = "set HOURPOST_RELAYS, such as smtp://user:password@host:587"
_ADVICE: dict[str | None, str] = {
    None: "look at the relay, the network, a firewall; for TLS from the start (465) HOURPOST_RELAYS says smtps://",
    "connect": "correct host and port in HOURPOST_RELAYS, or let this machine's firewall and network reach them",
    "tls": "name the relay in HOURPOST_RELAYS as its certificate does; ?ca=FILE.pem trusts a CA of your own; "
    "smtps:// is for TLS from the start (465), smtp:// for STARTTLS (587)",
    "auth": "correct user and password in HOURPOST_RELAYS, special characters percent-encoded (@ is %40)",
}
_LATER = "try again later, as it says that this passes; where it does not, ask its operator"
_UNWANTED = "it answers and does not want us: ask its operator, or set HOURPOST_HOSTNAME to a name that it takes"
_EXPIRED = "its operator has to renew the certificate; until then nothing is sent there"
_WITHOUT_TLS = "leave out tls=none in HOURPOST_RELAYS, as most relays log in under TLS only"
_SMALL = "email above {} bounces (attachments are a third larger on the way); its operator may take larger ones"
_NO_AUTH = "leave user and password out of HOURPOST_RELAYS where it takes mail without them"


async def check_relays(settings: Settings) -> list[Check]:
    """Log in to each, as a worker does."""
    try:
        specs = parse_relays(settings.relays.get_secret_value())
    except RelayUrlInvalid as error:
        return [failed("relays", str(error), "correct HOURPOST_RELAYS")]
    if not specs:
        return [failed("relays", "none is configured", ADVICE)]
    pool = RelayPool(specs, hostname=settings.hostname)
    try:
        checks = await pool.check()
        if settings.captured_in and all(check.is_ok for check in checks):
            words = f"the capture relay, which keeps all mail in {settings.captured_in}"
            return [Check("relay", Level.OK, words, f"to send it, {ADVICE}")]
        named = {spec.name: spec for spec in specs}
        return [_relay(named[check.relay], check) for check in checks]
    finally:
        await pool.drain(1)


async def check_logins(database: Database) -> list[Check]:
    """What the workers that run now were told, with the settings that they have."""
    async with database.reading() as connection:
        found = [one for one in await read_relays_now(connection) if one.refuses_login]
    words = "{} refuses the log-in of {} of {} workers that run, since {:%Y-%m-%d %H:%M} UTC: {}"
    return [
        failed(
            "relay login",
            words.format(one.relay, one.of_workers, one.workers, one.since, one.last_fault),
            f"{_ADVICE['auth']}; restart the workers, which then try at once",
        )
        for one in found
    ]


def _relay(spec: RelaySpec, check: RelayCheck) -> Check:
    if not check.is_ok:
        stage = f" at {check.stage}" if check.stage else ""
        code = "" if check.code is None else f"{check.code} "
        return failed("relay", f"{check.relay}{stage}: {code}{check.text}", _advice(spec, check))
    way = "logged in" if spec.username is not None else "connected without a log-in, as none is set"
    if spec.username is None and check.offers_login:
        words = f"{check.relay}: {way}, which it offers and may ask for"
        return warning("relay", words, "give user and password in HOURPOST_RELAYS: smtp://user:password@host:587")
    if check.tls_version is None:
        words = f"{check.relay}: {way}, and without TLS: all that passes can be read on the way"
        return warning("relay", words, "leave out tls=none in HOURPOST_RELAYS where the relay has TLS")
    if not check.takes_eight_bits:
        words = f"{check.relay}: {way}, and it takes no 8-bit content (8BITMIME): email that has it bounces"
        return warning("relay", words, "ask its operator, or give another relay in HOURPOST_RELAYS")
    words = f"{check.relay}: {way}, {check.tls_version}, {check.seconds * 1000:.0f} ms"
    if check.size_bytes is not None and check.size_bytes < MAX_MESSAGE_BYTES:
        megabytes = f"{check.size_bytes / 1024 / 1024:.3g} MB"
        return Check("relay", Level.OK, f"{words}, up to {megabytes} an email", _SMALL.format(megabytes))
    return ok("relay", words)


def _advice(spec: RelaySpec, check: RelayCheck) -> str:
    if check.code is not None and 400 <= check.code < 500:
        return _LATER
    if check.stage == "tls" and "has expired" in check.text:
        return _EXPIRED
    if check.stage != "auth":
        return _ADVICE.get(check.stage, ADVICE) if check.code is None else _UNWANTED
    is_offered = check.code is not None  # else it was not asked, as it offers none that we know
    if spec.tls is TlsMode.NONE:
        return f"{_WITHOUT_TLS}; else {_ADVICE['auth'] if is_offered else _NO_AUTH}"
    return _ADVICE["auth"] if is_offered else f"take the port on which it logs in (587, 465), or {_NO_AUTH}"
