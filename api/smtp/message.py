"""A submitted message on its way to the flow: what is taken out, what is put on top, what makes it the same again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from hourpost.rules.canonical import ContentError, SubmittedMessage, check_submitted, read_control
from hourpost.rules.control import NO_WISHES, WISHES, ControlError, Said, Wishes, read_wishes
from hourpost.rules.headers import read_fields
from hourpost.rules.mime import format_date

_WISHES = frozenset(name.encode() for name in WISHES)
# Hidden recipients must not be shown to the others (RFC 5322 §3.6.3); the rest speaks to us alone
_TAKEN_OUT = _WISHES | {b"bcc", b"resent-bcc"}
_ANY_TAKEN_OUT = re.compile(rb"(?im)^(?:%b):" % b"|".join(sorted(_TAKEN_OUT)))
# What a mail library makes anew each time that a program sends the same again
_RENEWED = frozenset({b"date", b"message-id", b"received"})
_BOUNDARY = re.compile(rb'(?i)\bboundary="?([!-~]{1,70}?)"?(?=[\s;]|$)')
_MAX_BOUNDARIES = 50
_WINDOW = 1024 * 1024


def read_submitted(raw: bytes, now: datetime) -> tuple[SubmittedMessage, Wishes]:
    """Check a message and take out the headers that are not for its recipients. Raises: ContentError."""
    message = check_submitted(raw)
    end = _header_end(message.raw)
    if _ANY_TAKEN_OUT.search(message.raw, 0, end) is None:
        return message, NO_WISHES
    fields = read_fields(message.raw[:end])
    wishes = _wishes_of(read_control(field for field in fields if field[0].lower() in _WISHES), now)
    kept = [b"%b:%b\r\n" % field for field in fields if field[0].lower() not in _TAKEN_OUT]
    return replace(message, raw=b"".join(kept) + message.raw[end:]), wishes


def _wishes_of(said: Said, now: datetime) -> Wishes:
    try:
        return read_wishes(said, now)
    except ControlError as error:
        raise ContentError(str(error)) from error


def write_received(hostname: str, email_id: str, at: datetime, *, smtputf8: bool) -> bytes:
    """The trace header of a submission (RFC 5321 §4.4, RFC 3848, RFC 6531 §4.3).

    It leaves out where the client stands: that is its user's home or the inside of a company.
    """
    protocol = "UTF8SMTPSA" if smtputf8 else "ESMTPSA"
    return f"Received: by {hostname} with {protocol} id {email_id};\r\n\t{format_date(at)}\r\n".encode("ascii")


def fingerprint(raw: bytes, envelope_from: str, recipients: tuple[str, ...]) -> bytes:
    """The SHA-256 that a retry with the same idempotency key has again, and another email has not.

    ``raw`` is the message as it came: with other tags, or for another moment, it is another email.
    """
    end = _header_end(raw)
    digest = hashlib.sha256("\n".join((envelope_from, *sorted(recipients), "")).encode())
    named = {boundary for lines in _windows(raw, 0) for boundary in _BOUNDARY.findall(lines)}
    boundaries = sorted(named, key=len, reverse=True)[:_MAX_BOUNDARIES]
    block = raw[:end]
    for name, value in read_fields(block if block.endswith(b"\r\n") else block + b"\r\n"):
        if name.lower() not in _RENEWED:
            digest.update(_without(boundaries, b"%b:%b\r\n" % (name.lower(), value)))
    for lines in _windows(raw, end):
        digest.update(_without(boundaries, lines))
    return digest.digest()


def _windows(raw: bytes, start: int) -> Iterator[bytes]:
    """Some lines at a time, so that the threads beside this one get their turn between them."""
    while start < len(raw):
        end = raw.find(b"\r\n", start + _WINDOW) + 2
        end = end if end >= 2 else len(raw)
        yield raw[start:end]
        start = end


def _without(boundaries: list[bytes], text: bytes) -> bytes:
    for boundary in boundaries:
        text = text.replace(boundary, b"")
    return text


def _header_end(raw: bytes) -> int:
    end = raw.find(b"\r\n\r\n")
    return len(raw) if end < 0 else end + 2
