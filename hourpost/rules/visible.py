"""Visible text: what people may call themselves and their things."""

from __future__ import annotations

import re

# ZWNJ and ZWJ, which Persian and Indic spelling and joined emoji need. At a border of a word, beside another one or
# before a variation selector they join nothing, and would only tell two names apart that look the same.
_JOINER = re.compile(r"(?<=[^\s\u200c\u200d])[\u200c\u200d](?=[^\s\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef])")


def is_visible(text: str) -> bool:
    """Whether all of it can be seen, or joins what can: nothing that ends a line, turns its direction or hides."""
    return text.isprintable() or _JOINER.sub("", text).isprintable()
