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
_LOOKS = (_ops.ASSERT, _ops.ASSERT_NOT)
_NOTING = (*_REPEATS, *_LOOKS, _ops.BRANCH, _ops.ATOMIC_GROUP)


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

    What repeats, has alternatives, looks ahead or behind, or is atomic notes a place; single characters do not.
    """
    has_begun = has_noted = False
    for op, value in _flat(items):
        if op in _REPEATS:
            fails, noted = value[0] > 0, fails_elsewhere(value[2])
        elif op is _ops.BRANCH:
            fails, noted = all(value[1]), any(map(fails_elsewhere, value[1]))
        elif op is _ops.ATOMIC_GROUP:
            fails, noted = True, fails_elsewhere(value)
        elif op in _LOOKS:
            fails, noted = True, True
        else:
            fails, noted = True, False
        if fails and (noted or has_noted or (has_begun and op in _NOTING)):
            return True
        has_begun = True
        has_noted |= op in _NOTING
    return False


def _flat(items: Any) -> Iterator[tuple[Any, Any]]:
    for op, value in items:
        if op is _ops.SUBPATTERN:
            yield from _flat(value[-1])
        else:
            yield op, value


def swallows(items: Any) -> bool:
    """Whether a possessive group stands in this, whose last try may fail elsewhere than where it began."""
    for op, value in _flat(items):
        if op is _ops.POSSESSIVE_REPEAT and fails_elsewhere(value[2]):
            return True
        if any(map(swallows, _inside(op, value))):
            return True
    return False


def _inside(op: Any, value: Any) -> list[Any]:
    if op is _ops.BRANCH or op in _LOOKS:
        return list(value[1]) if op is _ops.BRANCH else [value[1]]
    return [value[2]] if op in _REPEATS else [value] if op is _ops.ATOMIC_GROUP else []


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"a(?:\.a++)*+", True),
        (r"(?:\r?\n )*+", True),
        (r'(?:"[^"]*+"|[^"])++', True),
        (r"(?:\s++a)*+", True),
        (r"a(?:\.(?>b)x)*+", True),
        (r"a(?:\.(?![0-9])b)*+", True),
        (r"a(?=((?:\.a++)*+))", True),
        (r"(?>(?:\.a++)*)", False),
        (r"(?:\n [^\n]*+)*+", False),
        (r'"(?:[^"\\]|\\.)*+"', False),
        (r"[^a]*+(?:a|b)?+", False),
    ],
)
def test_what_may_swallow_is_told(pattern: str, expected: bool) -> None:
    assert swallows(_parser.parse(pattern)) is expected


def test_no_possessive_group_swallows_what_it_did_not_match() -> None:
    """Before Python 3.11.5 (Debian: 3.11.2-6+deb12u9) ``(?:\\.a++)*+`` takes the dot of ``.b`` (cpython #106052)."""
    found = dict(patterns())
    assert len(found) > 100
    assert [name for name, one in found.items() if swallows(_parser.parse(one.pattern, one.flags & re.VERBOSE))] == []
