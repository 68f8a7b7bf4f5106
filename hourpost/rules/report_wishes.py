"""What the sender of an email wants to hear of its delivery: RET, ENVID, NOTIFY and ORCPT (RFC 3461 §4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

_ESCAPED = re.compile(r"\+([0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class ReportWishes:
    """As they were written, empty where nothing was said; ``notify`` and ``orcpt`` by the recipient's address."""

    ret: str = ""
    envid: str = ""
    notify: Mapping[str, str] = field(default_factory=dict)
    orcpt: Mapping[str, str] = field(default_factory=dict)


NO_WISHES = ReportWishes()


def read_wishes(said: str | None) -> ReportWishes:
    """The wishes in an email's ``parts.dsn``, as JSON; None is none."""
    if not said:
        return NO_WISHES
    found = orjson.loads(said)
    recipients = found.get("recipients", {})
    return ReportWishes(
        found.get("ret", ""),
        found.get("envid", ""),
        {address: ",".join(one["notify"]) for address, one in recipients.items() if one.get("notify")},
        {address: one["orcpt"] for address, one in recipients.items() if one.get("orcpt")},
    )


def from_xtext(written: str) -> str:
    """What was written as xtext (RFC 3461 §4), without what must not get into a line."""
    text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), written)
    return "".join(char if char.isprintable() else "?" for char in text)
