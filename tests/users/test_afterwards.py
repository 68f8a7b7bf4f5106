"""What goes on once an answer has left is waited for at the end, and no stumble of it reaches anybody."""

from __future__ import annotations

import asyncio

import pytest

from hourpost.errors import ServiceUnavailable
from hourpost.users.afterwards import Afterwards


async def test_the_end_waits_for_what_was_begun() -> None:
    afterwards, done = Afterwards(), []

    async def work() -> None:
        await asyncio.sleep(0.02)
        done.append(1)

    afterwards.begin(work())
    assert done == []
    await afterwards.stop()
    assert done == [1]


@pytest.mark.parametrize("error", [ServiceUnavailable("away"), RuntimeError("oh")])
async def test_what_stumbles_disturbs_nothing(error: Exception) -> None:
    afterwards = Afterwards()

    async def work() -> None:
        raise error

    afterwards.begin(work())
    await afterwards.stop()
