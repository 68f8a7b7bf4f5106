"""How templates write numbers, money, sizes and moments."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import idna
from markupsafe import Markup, escape

from hourpost.emails.queries import StoredEmail
from hourpost.emails.status import status_of
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import to_text
from hourpost.rules.plans import Plan

_FORMATS = {
    "full": "%d %b %Y, %H:%M:%S UTC",
    "short": "%d %b, %H:%M UTC",
    "clock": "%H:%M UTC",
    "when": "%a %d %b %Y, %H:%M UTC",
    "day": "%d %b %Y",
    "brief": "%d %b",
}
_HOURS_OF_A_MONTH = 720
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def number(value: float) -> str:
    """1,234."""
    return f"{value:,}"


def money(cents: int, *, exact: bool = False) -> str:
    """$50, or $12.34; ``exact`` writes the cents of $50.00 too, for columns and invoices."""
    dollars, rest = divmod(abs(cents), 100)
    sign = "\N{MINUS SIGN}" if cents < 0 else ""
    return f"{sign}${dollars:,}.{rest:02d}" if rest or exact else f"{sign}${dollars:,}"


def per_thousand(plan: Plan) -> str:
    """$0.07: what a thousand emails cost where the hour is always full."""
    return f"${plan.price_cents / 100 / (plan.hourly_limit * _HOURS_OF_A_MONTH / 1000):.2f}"


def size(count: float) -> str:
    """4.2 MB; a GB is 1024 MB, as where limits and quotas are set."""
    if count == 1:
        return "1 byte"
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1024 or unit == "GB":
            return (
                f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}".replace(".0 ", " ")
            )
        count /= 1024
    raise AssertionError


def moment(value: datetime | None, form: str = "short") -> Markup:
    """A ``<time>`` in UTC, which the script tells in the reader's zone; forms: full, short, when, clock, day, brief."""
    if value is None:
        return Markup("<span class=faint>—</span>")
    value = value.astimezone(UTC)
    text = value.strftime(_FORMATS[form])
    return Markup('<time datetime="{}" data-as="{}">{}</time>').format(value.isoformat(), form, escape(text))


def end_text(value: datetime | None) -> str:
    """The end of something as a form holds it, to the second; empty where it has none."""
    return "" if value is None else f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def read_moment(value: str) -> datetime:
    """The moment that an event's detail tells in RFC 3339."""
    return datetime.fromisoformat(value)


def idn(name: str) -> str:
    """A domain as people write it, with the letters that the DNS knows as xn--…; as it is where it has none."""
    try:
        return idna.decode(name) if "xn--" in name else name
    except (idna.IDNAError, UnicodeError):
        return name


def duration(value: float | timedelta) -> str:
    """2 hours 5 minutes: the two largest units."""
    seconds = round(value.total_seconds() if isinstance(value, timedelta) else value)
    words = []
    for name, length in _UNITS:
        count, seconds = divmod(seconds, length)
        if count:
            words.append(f"{count:,} {name}{'s' if count > 1 else ''}")
    return " ".join(words[:2]) or "no time"


def plural(count: int, one: str, many: str | None = None) -> str:
    """1 email, 2 emails."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def as_json(value: object, indent: int | None = None) -> str:
    """As it is told: templates escape it for the page, and nothing in it is written otherwise."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def initials(name: str) -> str:
    """AL for Ada Lovelace."""
    words = [word for word in name.replace("@", " ").split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "?"


def email_id(email: StoredEmail) -> str:
    """em_…."""
    return to_text("em", email.id)


def public_email(value: UUID) -> str:
    """em_… of an id."""
    return to_text("em", value)


def email_state(email: StoredEmail) -> State:
    """The state that stands for all recipients."""
    return status_of(one.state for one in email.deliveries)


def browser_name(agent: str) -> str:
    """Firefox on Linux: what a User-Agent means to people."""
    browsers = ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari")
    systems = (
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )
    browser = next((name for mark, name in browsers if mark in agent), "")
    system = next((name for mark, name in systems if mark in agent), "")
    return " on ".join(filter(None, (browser, system))) or agent[:40] or "Unknown"


FILTERS = {
    "per_thousand": per_thousand,
    "browser_name": browser_name,
    "number": number,
    "money": money,
    "size": size,
    "moment": moment,
    "end_text": end_text,
    "read_moment": read_moment,
    "duration": duration,
    "plural": plural,
    "as_json": as_json,
    "initials": initials,
    "idn": idn,
    "email_id": email_id,
    "public_email": public_email,
    "email_state": email_state,
}
