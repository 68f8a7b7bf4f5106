"""Text made comparable: case-mapped for sorting (RFC 5051), folded for searching."""

from __future__ import annotations

import re
import unicodedata

# Joiners within emoji go too: it is for finding and for one line, not for showing what was written
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]+")
# Of letters of Latin, Greek and Cyrillic; the marks of other scripts make other letters
_ACCENTS = re.compile("[\u0300-\u036f]+")
_LIKE_ACCENTED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe"})
_FORBIDDEN = re.compile("[\0\ud800-\udfff]")


def case_map(text: str) -> str:
    """i;unicode-casemap: title case, decomposed; to be compared by code point."""
    if text.isascii():
        return text.upper()
    titled = (char.title() for char in text)
    simple = "".join(new if len(new) == 1 else old for old, new in zip(text, titled, strict=False))
    return unicodedata.normalize("NFKD", simple)


def fold(text: str) -> str:
    """Text for a search that finds substrings whatever their case and however their lines are broken.

    What is looked for is folded by the same function: without case, compatibility forms as one, blanks as one.
    """
    text = drop_invisible(text)
    words = " ".join(text.split())
    if text[:1].isspace():
        words = f" {words}"
    if text[-1:].isspace():
        words = f"{words} "
    text = words
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def drop_accents(folded: str) -> str:
    """Folded text as people type it in a hurry: cafe for café, muller for müller."""
    if folded.isascii():
        return folded
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", folded))
    return unicodedata.normalize("NFC", bare).translate(_LIKE_ACCENTED)


def drop_invisible(text: str) -> str:
    """The text without what nobody sees: soft hyphens, joiners, and the padding behind preheaders."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def storable(text: str) -> str:
    """The text without what no text column takes: NUL and halves of surrogate pairs."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return _FORBIDDEN.sub("", text)
