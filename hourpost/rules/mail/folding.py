"""Text made comparable: case-mapped for sorting (RFC 5051), folded for searching."""

from __future__ import annotations

import re
import unicodedata

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
    words = " ".join(text.split())
    if text[:1].isspace():
        words = f" {words}"
    if text[-1:].isspace():
        words = f"{words} "
    text = words
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def storable(text: str) -> str:
    """The text without what no text column takes: NUL and halves of surrogate pairs."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return _FORBIDDEN.sub("", text)
