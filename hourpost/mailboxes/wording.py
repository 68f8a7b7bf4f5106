"""What a mailbox says by itself: the signature under its letters, and its auto-reply."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from hourpost.errors import Fault, ValidationFailed
from hourpost.rules.auto_reply import MAX_SUBJECT, MAX_TEXT, AutoReply
from hourpost.rules.visible import is_visible

MAX_SIGNATURE = 2000


def check_signature(text: str) -> None:
    """Raises: ValidationFailed."""
    if len(text) > MAX_SIGNATURE or "\0" in text:
        raise ValidationFailed([Fault("/signature", f"the signature has up to {MAX_SIGNATURE} characters")])


def check_auto_reply(reply: AutoReply) -> None:
    """Raises: ValidationFailed, with every fault."""
    faults = []
    if not reply.text.strip() or len(reply.text) > MAX_TEXT or "\0" in reply.text:
        faults.append(Fault("/auto_reply/text", f"the text has 1 to {MAX_TEXT} characters"))
    if len(reply.subject) > MAX_SUBJECT or not is_visible(reply.subject):
        faults.append(Fault("/auto_reply/subject", f"the subject has up to {MAX_SUBJECT} visible characters"))
    if reply.first_day and reply.last_day and reply.last_day < reply.first_day:
        faults.append(Fault("/auto_reply/last_day", "the last day is before the first"))
    try:
        ZoneInfo(reply.time_zone)
    except (OSError, ValueError, KeyError):
        faults.append(Fault("/auto_reply/time_zone", "there is no such time zone; Europe/Berlin is one"))
    if faults:
        raise ValidationFailed(faults)
