"""How the web inbox writes people and plain text: names before addresses, links to follow, quotes set back."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from email.utils import getaddresses

from markupsafe import Markup, escape

from api.web.dashboard.filters import moment
from hourpost.mailboxes.reading import AttachedFile
from hourpost.rules.folder_names import INBOX
from hourpost.rules.mail.invitation import Invitation
from hourpost.rules.mail.scanned import Part
from hourpost.rules.mail.web_links import split_links
from hourpost.rules.visible import is_visible

NOWHERE = "@MISSING_DOMAIN"
"""How addresses without a domain are kept."""
_KNOWN = {"text/calendar": "invitation.ics", "text/vcard": "contact.vcf", "message/rfc822": "message.eml"}
# They turn letters around, so that a program's name reads like a picture's
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Letters by their class that leave nothing on the page: the fillers of Hangul, and Braille without a dot
_BLANK = re.compile("[\\s\u115f\u1160\u2800\u3164\uffa0]")
_LINK = Markup('<a href="{0}" target="_blank" rel="noopener noreferrer nofollow">{0}</a>')


def folder_name(name: str) -> str:
    """What a folder is called; what cannot be seen of a name stands there as its number (U+200B)."""
    if name == INBOX:
        return "Inbox"
    is_blank = not _BLANK.sub("", name)
    if is_visible(name) and not is_blank:
        return name
    return "".join(
        f"[U+{ord(char):04X}]" if is_blank or not (char.isprintable() or char.isspace()) else char for char in name
    )


def people(text: str) -> str:
    """Ada Lovelace, bob@far.test: the name of each where there is one."""
    found = [name or address for name, address in getaddresses([text.replace(NOWHERE, "")]) if name or address]
    return ", ".join(found) or text


def person(text: str) -> Markup:
    """The name of who wrote, then the address, less loudly."""
    text = text.replace(NOWHERE, "")
    found = [(name, address) for name, address in getaddresses([text]) if address]
    if len(found) != 1 or not found[0][0]:
        return Markup("<strong>{}</strong>").format(text)
    return Markup('<strong>{}</strong> <span class="muted">&lt;{}&gt;</span>').format(*found[0])


def file_name(file: AttachedFile | Part) -> str:
    """What an attached file is called: its own name without a path, or one made of its place and kind."""
    name = _DIRECTIONS.sub("", file.filename or "").replace("\\", "/").rpartition("/")[2].strip(". ")
    kind = file.content_type if isinstance(file, AttachedFile) else f"{file.media_type}/{file.media_subtype}"
    return name[:200] or _KNOWN.get(kind) or f"part-{file.section}"


def appointment(one: Invitation) -> Markup:
    """When it is: with a zone in the reader's time, else as it was written."""
    starts, ends = one.starts_at, one.ends_at
    if starts is None:
        return Markup("")
    if not isinstance(starts, datetime):
        last = ends - timedelta(days=1) if ends is not None and not isinstance(ends, datetime) else starts
        days = [f"{day:%a} {day.day} {day:%b %Y}" for day in (starts, last)]
        return Markup("{}").format(days[0] if last <= starts else " – ".join(days))
    if not isinstance(ends, datetime):
        return _when(starts)
    is_short = (starts.tzinfo is None) == (ends.tzinfo is None) and ends - starts < timedelta(hours=12)
    return Markup(" – ").join((_when(starts), _when(ends, is_short=is_short)))


def _when(value: datetime, *, is_short: bool = False) -> Markup:
    if value.tzinfo:
        return moment(value, "clock" if is_short else "when")
    return escape(f"{value:%H:%M}" if is_short else f"{value:%a} {value.day} {value:%b %Y, %H:%M}")


def letter(text: str) -> Markup:
    """Plain text to read: addresses of the web lead there, and lines that are quoted stand back."""
    return Markup("\n").join(_line(line) for line in text.strip("\n").split("\n"))


def _line(line: str) -> Markup:
    written = _linked(line.rstrip("\r"))
    return Markup('<span class="mail-quoted">{}</span>').format(written) if line.startswith(">") else written


def _linked(line: str) -> Markup:
    return Markup("").join(_LINK.format(piece) if is_link else escape(piece) for piece, is_link in split_links(line))


FILTERS = {
    "people": people,
    "person": person,
    "letter": letter,
    "appointment": appointment,
    "file_name": file_name,
    "folder_name": folder_name,
}
