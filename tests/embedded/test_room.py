"""Room on the disk: when it is told, and how often."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from hourpost import database as database_module
from hourpost.database import Database
from hourpost.embedded import room
from hourpost.embedded.room import LITTLE_BYTES, Room, describe
from hourpost.errors import DiskFull, ServiceUnavailable
from hourpost.rules.room import NONE_BYTES


@pytest.mark.parametrize(("free_bytes", "said"), [(LITTLE_BYTES, None), (LITTLE_BYTES - 1, "full"), (0, "503")])
def test_it_says_what_to_do_where_there_is_little(free_bytes: int, said: str | None) -> None:
    words = describe(Path("/data"), free_bytes)
    assert words is None if said is None else words is not None and "make room" in words and said in words


def test_a_disk_that_fills_is_told_at_once_then_each_minute_and_that_there_is_room_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[str] = []
    now, free = 1000.0, LITTLE_BYTES - 1
    monkeypatch.setattr(room.time, "monotonic", lambda: now)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    watched = Room(tmp_path, told.append)
    counts = []
    for now, free in (  # noqa: B007  # the lambdas read them
        (1000.0, LITTLE_BYTES - 1),
        (1005.0, LITTLE_BYTES - 1),
        (1010.0, NONE_BYTES - 1),
        (1011.0, NONE_BYTES - 1),
        (1040.0, NONE_BYTES - 1),
        (1075.0, NONE_BYTES - 1),
        (1080.0, LITTLE_BYTES),
        (1200.0, LITTLE_BYTES),
    ):
        watched.look()
        counts.append(len(told))
    assert counts == [1, 1, 2, 2, 2, 3, 4, 4]
    assert "room again" in told[-1]


@pytest.mark.parametrize("way", ["reading", "transaction", "hot_statements", "hot_transaction"])
@pytest.mark.parametrize(
    ("free_bytes", "inside", "kind"),
    [
        (NONE_BYTES - 1, "PG_VERSION", DiskFull),
        (NONE_BYTES, "PG_VERSION", ServiceUnavailable),
        (NONE_BYTES - 1, ".s.PGSQL.5432.lock", ServiceUnavailable),  # sockets alone, on a disk of their own
    ],
)
async def test_a_postgresql_that_has_ended_for_want_of_room_is_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_bytes: int, inside: str, kind: type[Exception], way: str
) -> None:
    """As it does when it has no room for its log: then there is nobody who could say so."""
    monkeypatch.setattr(database_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=free_bytes))
    (tmp_path / inside).touch()
    database = Database(f"postgresql://hourpost@/hourpost?host={tmp_path}", pool_size=1)
    with pytest.raises(ServiceUnavailable) as caught:
        async with getattr(database, way)():
            pass
    assert type(caught.value) is kind
    await database.close()
