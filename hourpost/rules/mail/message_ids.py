"""Message-IDs as headers hold them (RFC 5322 §3.6.4), in the one form in which they are compared."""

from __future__ import annotations

import re
from itertools import islice

from hourpost.rules.mail.folding import storable
from hourpost.rules.mail.scanned import MAX_REFERENCES

_ID = re.compile(r"<\s*+([^<>\s]++)\s*+>")
_QUOTED_LOCAL = re.compile(r'"((?:[^"\\]|\\.)*+)"(@.*)')
_QUOTED_PAIR = re.compile(r"\\(.)")
# Longer ones name nothing, and no index takes them
MAX_CHARACTERS = 998


def list_message_ids(value: bytes | None, limit: int = MAX_REFERENCES) -> tuple[str, ...]:
    """The ids with their angle brackets, in order and each once."""
    if not value:
        return ()
    text = storable(value.decode("utf-8", "replace"))
    found = (_normalise(match[1]) for match in islice(_ID.finditer(text), limit))
    return tuple(dict.fromkeys(name for name in found if len(name) <= MAX_CHARACTERS))


def find_message_id(value: bytes | None) -> str | None:
    """The first id of the header; None when it has none."""
    return next(iter(list_message_ids(value, 1)), None)


def _normalise(name: str) -> str:
    """``"quoted"@domain`` and ``quoted@domain`` are the same id (RFC 5256 §2.2)."""
    match = _QUOTED_LOCAL.fullmatch(name) if name.startswith('"') else None
    if match is not None:
        name = _QUOTED_PAIR.sub(r"\1", match[1]) + match[2]
    return f"<{name}>"
