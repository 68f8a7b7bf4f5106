"""How much may stand in a body: counted before anything is made of it, so that no request takes long or much memory."""

from __future__ import annotations

import re
from typing import Any

from hourpost.errors import Fault, ValidationFailed

MAX_VALUES = 1_000_000
"""In one body, of any kind and at any depth; a list of a file's bytes counts as one."""
MAX_FIELDS = 10_000
"""In one email, with those of its attachments and tags."""

_LOOKED_INTO = 1000
_MEANINGLESS = bytes(set(range(256)) - set(b",[{"))
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NUMBERS = re.compile(rb"\[[\d,\s]*+\]")


def check_values(raw: bytes) -> None:
    """Pass what may be parsed; it need be no JSON. Raises: ValidationFailed.

    A value of two bytes takes a hundred once it is parsed.
    """
    if len(raw) <= MAX_VALUES or len(raw.translate(None, _MEANINGLESS)) <= MAX_VALUES:
        return
    count = texts = end = 0
    for text in _TEXT.finditer(raw):
        count += _count(raw[end : text.start()])
        texts += 1
        if count > MAX_VALUES or texts > 2 * MAX_VALUES:
            break
        end = text.end()
    else:
        count += _count(raw[end:])
    if count > MAX_VALUES or texts > 2 * MAX_VALUES:
        raise ValidationFailed([Fault("", f"the body holds more than {MAX_VALUES:,} values")])


def check_fields(email: Any, start: str) -> None:
    """Pass an email of which each field may be looked at; ``start`` is its pointer. Raises: ValidationFailed."""
    if not isinstance(email, dict):
        return
    count = len(email)
    for value in email.values():
        if value.__class__ is list:
            for item in value[:_LOOKED_INTO]:
                if item.__class__ is dict:
                    count += len(item)
    if count > MAX_FIELDS:
        whole = "the email" if start else "the body"
        raise ValidationFailed([Fault(start, f"{whole} has more than {MAX_FIELDS:,} fields")])


def _count(between: bytes) -> int:
    """What begins or follows a value in a stretch without texts."""
    return len((_NUMBERS.sub(b"", between) if len(between) > MAX_VALUES else between).translate(None, _MEANINGLESS))
