"""Redis as a server: how old it may be."""

from __future__ import annotations

import pytest

from hourpost.gateways.redis_server import RedisServer


@pytest.mark.parametrize(
    ("version", "is_old"),
    [("5.0.14", True), ("6.0.16", True), ("6.2.14", False), ("7.2.4", False), ("10.0.1", False), ("unknown", False)],
)
def test_one_older_than_any_that_we_are_tried_with_is_known(version: str, is_old: bool) -> None:
    server = RedisServer(version, 0.0, evicts=False, appends=True, seconds=0.0, shards=0, refusal=None)
    assert server.is_old is is_old
