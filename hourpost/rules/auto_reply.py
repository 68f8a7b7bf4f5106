"""Auto-replies: when one is given, to whom it may go, and what it says (RFC 3834, RFC 5230)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hourpost.rules.addresses import Address
from hourpost.rules.header_text import decode_words
from hourpost.rules.incoming import IncomingHeader
from hourpost.rules.mail.address_lists import parse_addresses
from hourpost.rules.mail.fields import unfold
from hourpost.rules.mime import Content, build_message

MAX_SUBJECT = 200
MAX_TEXT = 10_000
_MAX_SUBJECT_SHOWN = 150
_MAX_REFERENCES = 20
_NOBODY = re.compile(
    r"(mailer-daemon|postmaster|no-?reply|do-?not-?reply|listserv|majordomo|bounces?|owner-.+|.+-(owner|request|bounces?))"
    r"([+-].*)?",
    re.IGNORECASE,
)
_NAMING = frozenset(
    (b"to", b"cc", b"bcc", b"resent-to", b"resent-cc", b"resent-bcc"),
)
_MASS = frozenset(("bulk", "list", "junk"))
_SUPPRESSED = frozenset(("all", "oof", "autoreply"))


@dataclass(frozen=True, slots=True)
class AutoReply:
    """What is answered by itself, on the days from ``first_day`` to ``last_day`` of a time zone; None: no bound.

    Without a ``subject`` it is that of the message, behind ``Auto:``.
    """

    text: str
    subject: str = ""
    first_day: date | None = None
    last_day: date | None = None
    time_zone: str = "UTC"

    def is_given(self, now: datetime) -> bool:
        """Whether it is given at this moment."""
        today = now.astimezone(ZoneInfo(self.time_zone)).date()
        return (self.first_day is None or today >= self.first_day) and (self.last_day is None or today <= self.last_day)

    def to_row(self) -> dict[str, Any]:
        """For a column of JSON."""
        days = {"first_day": self.first_day, "last_day": self.last_day}
        told = {name: day and day.isoformat() for name, day in days.items()}
        return {"text": self.text, "subject": self.subject, "time_zone": self.time_zone} | told


def read_row(row: dict[str, Any] | None) -> AutoReply | None:
    """What ``to_row`` has written."""
    if row is None:
        return None
    days = {name: row[name] and date.fromisoformat(row[name]) for name in ("first_day", "last_day")}
    return AutoReply(row["text"], row["subject"], time_zone=row["time_zone"], **days)


def may_be_answered(header: IncomingHeader, sender: str, own: Collection[str]) -> bool:
    """Whether a person wrote this, and to one of the ``own`` addresses (lower case); ``sender`` is of the envelope."""
    local = sender.rpartition("@")[0]
    if not local or sender.lower() in own or _NOBODY.fullmatch(local):
        return False
    return not header.is_automatic and not _is_mass(header) and _names(header, own)


def write_reply(
    reply: AutoReply, header: IncomingHeader, people: tuple[Address, Address], message_id: str, now: datetime
) -> tuple[str, bytes]:
    """The subject and the bytes of an auto-reply; ``people`` are who gives it and who gets it."""
    subject = reply.subject or f"Auto: {' '.join(header.subject.split())[:_MAX_SUBJECT_SHOWN]}".rstrip()
    headers = [("Auto-Submitted", "auto-replied")]
    if header.message_id.isascii() and header.message_id:
        before = [one for one in header.references if one.isascii() and one != header.message_id]
        thread = [*reversed(before[: _MAX_REFERENCES - 1]), header.message_id]
        headers += [("In-Reply-To", header.message_id), ("References", " ".join(thread))]
    giver, receiver = people
    content = Content(giver, (receiver,), subject=subject, text=reply.text, headers=tuple(headers))
    return subject, build_message(content, message_id=message_id, date=now)


def _is_mass(header: IncomingHeader) -> bool:
    """Lists, bulk, what says itself that it wants no such answer, and reports."""
    for name, value in header.fields:
        words = set(re.findall(r"[a-z]+", value.decode("ascii", "replace").lower()))
        if name.startswith(b"list-") or (name == b"precedence" and words & _MASS):
            return True
        if name == b"x-auto-response-suppress" and words & _SUPPRESSED:
            return True
    return header.content_type.lower().startswith("multipart/report")


def _names(header: IncomingHeader, own: Collection[str]) -> bool:
    """Whether one of its own addresses is among those that it was written to: who is only copied in secret is not."""
    return any(
        decode_words(one.spec).lower() in own
        for name, value in header.fields
        if name in _NAMING
        for one in parse_addresses(unfold(value))
    )
