"""Regular expressions mean the same to every Python that may run them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import api
import hourpost
import workers

# What reads patterns for the module re itself, which has no name for the public.
_parser: Any = importlib.import_module("re._parser")
_ops: Any = importlib.import_module("re._constants")
_REPEATS = (_ops.MAX_REPEAT, _ops.MIN_REPEAT, _ops.POSSESSIVE_REPEAT)


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Every compiled pattern that is a name of a module."""
    for package in (api, hourpost, workers):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if info.name.endswith("__main__"):
                continue
            for name, value in vars(importlib.import_module(info.name)).items():
                if isinstance(value, re.Pattern):
                    yield f"{info.name}.{name}", value


def fails_elsewhere(items: Any) -> bool:
    """Whether a sequence may fail when the engine has noted another place than that at which it began.

    What repeats, or has alternatives, notes a place; single characters do not.
    """
    has_begun = has_noted = False
    for op, value in _flat(items):
        if op in _REPEATS:
            fails, noted = value[0] > 0, fails_elsewhere(value[2])
        elif op is _ops.BRANCH:
            fails, noted = all(value[1]), any(map(fails_elsewhere, value[1]))
        else:
            fails, noted = True, False
        if fails and (noted or has_noted or (has_begun and op in (*_REPEATS, _ops.BRANCH))):
            return True
        has_begun = True
        has_noted |= op in (*_REPEATS, _ops.BRANCH)
    return False


def _flat(items: Any) -> Iterator[tuple[Any, Any]]:
    for op, value in items:
        if op is _ops.SUBPATTERN:
            yield from _flat(value[-1])
        elif op is _ops.ATOMIC_GROUP:
            yield from _flat(value)
        else:
            yield op, value


def swallows(items: Any) -> bool:
    """Whether a possessive group stands in this, whose last try may fail elsewhere than where it began."""
    for op, value in _flat(items):
        if op is _ops.POSSESSIVE_REPEAT and fails_elsewhere(value[2]):
            return True
        inner = value[1] if op is _ops.BRANCH else [value[2]] if op in _REPEATS else []
        if any(map(swallows, inner)):
            return True
    return False


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"a(?:\.a++)*+", True),
        (r"(?:\r?\n )*+", True),
        (r'(?:"[^"]*+"|[^"])++', True),
        (r"(?:\s++a)*+", True),
        (r"(?>(?:\.a++)*)", False),
        (r"(?:\n [^\n]*+)*+", False),
        (r'"(?:[^"\\]|\\.)*+"', False),
        (r"[^a]*+(?:a|b)?+", False),
    ],
)
def test_what_may_swallow_is_told(pattern: str, expected: bool) -> None:
    assert swallows(_parser.parse(pattern)) is expected


def test_no_possessive_group_swallows_what_it_did_not_match() -> None:
    """Before Python 3.11.5, Debian 12's among them, ``(?:\\.a++)*+`` takes the dot of ``.b`` (cpython #106052)."""
    found = dict(patterns())
    assert len(found) > 100
    assert [name for name, one in found.items() if swallows(_parser.parse(one.pattern, one.flags & re.VERBOSE))] == []
