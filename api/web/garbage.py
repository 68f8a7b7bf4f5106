"""Garbage: Python looks for it less often while a request keeps many objects, none of which is any."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def keeping(objects: int) -> Iterator[None]:
    """Until the end of the block there may be so many more before the collector looks through all that are young.

    Those that are still there then are looked through at once. A look at 10,000 takes 6 ms while other processes use
    the caches, and nobody is answered meanwhile.
    """
    _raise_threshold(objects)
    try:
        yield
    finally:
        _raise_threshold(-objects)


def _raise_threshold(objects: int) -> None:
    youngest, *older = gc.get_threshold()
    gc.set_threshold(youngest + objects, *older)
