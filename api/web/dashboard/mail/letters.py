"""How the web inbox writes people and plain text: names before addresses, links to follow, quotes set back."""

from __future__ import annotations

import re
from email.utils import getaddresses

from markupsafe import Markup, escape

_LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]']")


def people(text: str) -> str:
    """Ada Lovelace, bob@far.test: the name of each where there is one."""
    found = [name or address for name, address in getaddresses([text]) if name or address]
    return ", ".join(found) or text


def person(text: str) -> Markup:
    """The name of who wrote, then the address, less loudly."""
    found = [(name, address) for name, address in getaddresses([text]) if address]
    if len(found) != 1 or not found[0][0]:
        return Markup("<strong>{}</strong>").format(text)
    return Markup('<strong>{}</strong> <span class="muted">&lt;{}&gt;</span>').format(*found[0])


def letter(text: str) -> Markup:
    """Plain text to read: addresses of the web lead there, and lines that are quoted stand back."""
    return Markup("\n").join(_line(line) for line in text.strip("\n").split("\n"))


def _line(line: str) -> Markup:
    written = _linked(line.rstrip("\r"))
    return Markup('<span class="mail-quoted">{}</span>').format(written) if line.startswith(">") else written


def _linked(line: str) -> Markup:
    pieces, at = [], 0
    for found in _LINK.finditer(line):
        link = Markup('<a href="{0}" target="_blank" rel="noopener noreferrer nofollow">{0}</a>').format(found[0])
        pieces += [escape(line[at : found.start()]), link]
        at = found.end()
    return Markup("").join([*pieces, escape(line[at:])])


FILTERS = {"people": people, "person": person, "letter": letter}
