"""The parts of a message as compact bytes for a column, and back."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from hourpost.rules.mail.scanned import Part

_NAMES = tuple(Part.__slots__)


def pack_parts(parts: Sequence[Part]) -> bytes:
    """The parts as JSON: a list of lists in the order of ``Part``'s fields."""
    return orjson.dumps([[getattr(part, name) for name in _NAMES] for part in parts])


def unpack_parts(packed: bytes | str) -> tuple[Part, ...]:
    """What ``pack_parts`` packed."""
    return tuple(Part(*row) for row in orjson.loads(packed))
