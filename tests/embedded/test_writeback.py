"""What PostgreSQL has left to the kernel: begun as the files grow, and only then."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from hourpost.embedded import writeback
from hourpost.embedded.linux import LIBC
from hourpost.embedded.writeback import Writeback

_CACHESTAT = 451
_PAGE = os.sysconf("SC_PAGE_SIZE")
PIECE = bytes(1024 * 1024)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds = [1000.0]
    monkeypatch.setattr(writeback.time, "monotonic", lambda: seconds[0])
    return seconds


def test_a_table_that_has_grown_is_written_from_where_it_was(
    now: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[str, int]] = []
    monkeypatch.setattr(writeback, "begin_writing", lambda file, start: begun.append((_name(file), start)))
    (tmp_path / "5").mkdir()
    large, small = tmp_path / "5" / "large", tmp_path / "5" / "small"
    large.write_bytes(PIECE)
    watched = Writeback(tmp_path)
    watched.look()
    small.write_bytes(b"x")
    _grow(large, PIECE)
    watched.look()
    assert begun == []  # not time yet, and what there was at first is nobody's haste
    now[0] += 2.0
    watched.look()
    assert begun == [("large", len(PIECE))]
    _grow(large, PIECE[:-1])
    _grow(small, PIECE)
    now[0] += 2.0
    watched.look()
    assert begun[1:] == [("small", 1)]
    _grow(large, b"x")
    small.unlink()
    now[0] += 2.0
    watched.look()
    assert begun[2:] == [("large", 2 * len(PIECE))]


def test_a_table_that_was_cut_grows_from_there(
    now: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    monkeypatch.setattr(writeback, "begin_writing", lambda _, start: begun.append(start))
    (tmp_path / "5").mkdir()
    file = tmp_path / "5" / "16384"
    file.write_bytes(3 * PIECE)
    watched = Writeback(tmp_path)
    for content in (3 * PIECE, b"", PIECE):
        file.write_bytes(content)
        watched.look()
        now[0] += 2.0
    assert begun == [0]


def test_what_does_not_exist_is_no_matter(tmp_path: Path) -> None:
    Writeback(tmp_path / "nothing").look()


def test_the_kernel_writes_what_was_begun(now: list[float], tmp_path: Path) -> None:
    (tmp_path / "5").mkdir()
    file = tmp_path / "5" / "16384"
    file.touch()
    watched = Writeback(tmp_path)
    watched.look()
    _grow(file, PIECE)
    dirty = _dirty_pages(file)
    if dirty is None or dirty < len(PIECE) // _PAGE:
        pytest.skip("this kernel does not say which pages are dirty, or its file system keeps none")
    now[0] += 2.0
    watched.look()
    assert _dirty_pages(file) == 0  # under way, or written


def _grow(file: Path, content: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(content)


def _name(file: int) -> str:
    return Path(f"/proc/self/fd/{file}").readlink().name


def _dirty_pages(path: Path) -> int | None:
    """Of the page cache, not yet being written: cachestat(2), since Linux 6.5."""
    found = (ctypes.c_uint64 * 5)()
    whole = (ctypes.c_uint64 * 2)(0, 0)
    file = os.open(path, os.O_RDONLY)
    try:
        failed = LIBC is None or LIBC.syscall(_CACHESTAT, file, whole, found, 0) != 0
    finally:
        os.close(file)
    return None if failed else found[1]
