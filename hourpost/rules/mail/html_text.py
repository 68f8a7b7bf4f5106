"""The words of an HTML page, for search and previews: no reader ever sees this as HTML."""

from __future__ import annotations

import re
from html import unescape
from html.entities import html5

# Each alternative takes all the rest where its end is missing, or every "<" would look for it again
_SILENT = re.compile(
    r"<!--(?:-?>|.*?--!?>|.*)|<(script|style|title|template)\b(?:.*?</\1\s*+>|.*)", re.IGNORECASE | re.DOTALL
)
_INLINE = re.compile(r"</?(?:a|abbr|b|em|font|i|mark|s|small|span|strong|sub|sup|u|wbr)\b[^<>]*+>", re.IGNORECASE)
_TAG = re.compile(r"<[A-Za-z/!?][^<>]*+>?")
_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,31};?")
# In an address, "&copy" before "=" or a letter names a parameter
_ENTITY_OF_ATTRIBUTE = re.compile(r"&(?:#[0-9A-Za-z]{1,31};?|([0-9A-Za-z]{1,31}+(?:;|(?![=0-9A-Za-z]))))")


def read_html(page: str) -> str:
    """What a page says: without tags, comments, scripts and styles; blocks are parted by blanks."""
    if "<" in page:
        page = _TAG.sub(" ", _INLINE.sub("", _SILENT.sub(" ", page)))
    return decode_entities(page)


def decode_entities(text: str) -> str:
    """Text with its entities as the characters they mean; a number that is none stays, however long it is."""
    return _ENTITY.sub(_decode, text) if "&" in text else text


def decode_attribute(value: str) -> str:
    """The value of an attribute, whose entities are told from the parameters of an address (HTML §13.2.5.73)."""
    return _ENTITY_OF_ATTRIBUTE.sub(_decode_in_attribute, value) if "&" in value else value


def _decode(match: re.Match[str]) -> str:
    return unescape(match[0])


def _decode_in_attribute(match: re.Match[str]) -> str:
    return unescape(match[0]) if match[1] is None else html5.get(match[1], match[0])
