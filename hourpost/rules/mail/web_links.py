"""Addresses of the web in plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]']", re.IGNORECASE)


def split_links(text: str) -> Iterator[tuple[str, bool]]:
    """The text in its pieces, in order, and of each whether it is an address of the web; none of those holds a quote.

    A full stop or a bracket behind an address is not part of it.
    """
    at = 0
    for found in _LINK.finditer(text):
        yield text[at : found.start()], False
        yield found[0], True
        at = found.end()
    yield text[at:], False
