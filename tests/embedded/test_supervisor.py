"""The supervisor with small programs: order, restarts, log, stop."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hourpost.embedded.linux import IS_LINUX
from hourpost.embedded.program import Program
from hourpost.embedded.supervisor import Supervisor

NewProgram = Callable[..., Program]


@pytest.fixture
def log() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def supervisor(log: list[tuple[str, str]]) -> Iterator[Supervisor]:
    """It takes over the signals of this process, so they are given back."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    made = Supervisor(lambda part, line: log.append((part, line)))
    yield made
    made.stop()
    signal.set_wakeup_fd(-1)
    for number, action in before.items():
        signal.signal(number, action)


@pytest.fixture
def new_program(tmp_path: Path) -> NewProgram:
    """Makes programs of Python code that touches ``ready`` in its own time."""

    def make(code: str = "", name: str = "part", **options: object) -> Program:
        ready = tmp_path / f"{name}.ready"
        whole = f"import pathlib, signal, sys, time\n{code}\npathlib.Path({str(ready)!r}).touch()\ntime.sleep(60)"
        argv = (sys.executable, "-c", whole)
        return Program(name, argv, ready.exists, prepare=lambda: ready.unlink(missing_ok=True), **options)

    return make


def watch(supervisor: Supervisor, until: Callable[[], bool], seconds: float = 20.0) -> None:
    """Let it watch until that is true, then end it as Ctrl-C does."""
    ends_at = time.monotonic() + seconds

    def look() -> None:
        while not until() and time.monotonic() < ends_at:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    looker = threading.Thread(target=look)
    looker.start()
    supervisor.watch(lambda: None)
    looker.join()
    assert until()


def test_what_ends_by_itself_is_heard_and_waited_for(supervisor: Supervisor, log: list[tuple[str, str]]) -> None:
    def short(code: str) -> Program:
        return Program("short", (sys.executable, "-c", code), is_ready=lambda: True)

    assert supervisor.run(short("import time; print('waits', flush=True); time.sleep(0.3); print('done')"), "waiting")
    assert log == [("short", "waits"), ("short", "done")]
    with pytest.raises(RuntimeError, match="waiting failed: not so"):
        supervisor.run(short("import sys; print('first'); sys.exit('not so')"), "waiting")
    assert supervisor.pids() == {}


def test_a_signal_ends_what_would_end_by_itself(supervisor: Supervisor, log: list[tuple[str, str]]) -> None:
    argv = (sys.executable, "-c", "import time; print('waits', flush=True); time.sleep(60)")
    began_at = time.monotonic()
    signaling = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    signaling.start()
    assert not supervisor.run(Program("short", argv, is_ready=lambda: True), "waiting")
    supervisor.stop()
    assert time.monotonic() - began_at < 10
    signaling.join()


def test_it_waits_until_all_are_ready(supervisor: Supervisor, new_program: NewProgram) -> None:
    slow, fast = new_program("time.sleep(0.3)", "slow"), new_program(name="fast")
    supervisor.start([slow, fast])
    assert supervisor.wait()
    assert slow.is_ready()
    assert fast.is_ready()
    assert set(supervisor.pids()) == {"slow", "fast"}


def test_a_program_that_ends_before_it_is_ready_is_an_error_with_its_last_words(
    supervisor: Supervisor, new_program: NewProgram, log: list[tuple[str, str]]
) -> None:
    supervisor.start([new_program("print('no such port'); sys.exit(3)")])
    with pytest.raises(RuntimeError, match="part ended with 3 before it was ready"):
        supervisor.wait()
    assert ("part", "no such port") in log


def test_a_signal_ends_the_waiting(supervisor: Supervisor, new_program: NewProgram) -> None:
    supervisor.start([new_program("time.sleep(60)")])
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert not supervisor.wait()


def test_what_dies_is_started_again_with_growing_pauses(
    supervisor: Supervisor, new_program: NewProgram, log: list[tuple[str, str]]
) -> None:
    supervisor.start([new_program("print('here')")])
    supervisor.wait()
    for lives in (2, 3):
        os.kill(supervisor.pids()["part"], signal.SIGKILL)
        watch_again(supervisor, lambda lives=lives: log.count(("part", "here")) == lives)
    assert ("part", "ended with -9; starts again in 0.1 s") in log
    assert ("part", "ended with -9; starts again in 0.5 s") in log


def watch_again(supervisor: Supervisor, until: Callable[[], bool]) -> None:
    supervisor._is_stopping = False
    watch(supervisor, until)


def test_lines_come_out_whole_and_noise_does_not(
    supervisor: Supervisor, new_program: NewProgram, log: list[tuple[str, str]]
) -> None:
    code = "sys.stdout.write('one\\nLOG: chatter\\ntw'); sys.stdout.flush(); time.sleep(0.1); print('o \\xe9')"
    supervisor.start([new_program(code, noise=re.compile("^LOG: "))])
    supervisor.wait()
    watch(supervisor, lambda: ("part", "two é") in log)
    assert [line for _, line in log] == ["one", "two é"]


def test_the_last_group_stops_first(
    supervisor: Supervisor, new_program: NewProgram, log: list[tuple[str, str]]
) -> None:
    farewell = "signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit()))"
    for name in ("server", "part"):
        supervisor.start([new_program(farewell, name)])
        supervisor.wait()
    supervisor.stop()
    assert log == [("part", "bye"), ("server", "bye")]
    assert supervisor.pids() == {}


def test_what_does_not_end_is_killed_after_its_time(
    supervisor: Supervisor, new_program: NewProgram, log: list[tuple[str, str]]
) -> None:
    stubborn = new_program("signal.signal(signal.SIGTERM, signal.SIG_IGN)", stop_seconds=0.3)
    supervisor.start([stubborn])
    supervisor.wait()
    supervisor.stop()
    assert ("part", "does not end; killed") in log


@pytest.mark.skipif(not IS_LINUX, reason="forks are for Linux")
@pytest.mark.filterwarnings("ignore:This process")
class TestForks:
    """Work that runs in a fork of the supervisor."""

    def test_what_it_says_is_logged_and_its_error_too(
        self, supervisor: Supervisor, tmp_path: Path, log: list[tuple[str, str]]
    ) -> None:
        def work() -> None:
            print("at work")
            (tmp_path / "ready").touch()
            raise ValueError("a fault")

        supervisor.start([Program("part", (), (tmp_path / "ready").exists, work=work)])
        supervisor.wait()
        watch(supervisor, lambda: any("starts again" in line for _, line in log))
        assert ("part", "at work") in log
        assert ("part", "ValueError: a fault") in log
        assert ("part", "ended with 1; starts again in 0.1 s") in log

    def test_its_last_words_are_logged(self, supervisor: Supervisor, log: list[tuple[str, str]]) -> None:
        def work() -> None:
            raise SystemExit("error: no such certificate")

        supervisor.start([Program("part", (), lambda: False, work=work)])
        with pytest.raises(RuntimeError, match="ended with 1"):
            supervisor.wait()
        assert ("part", "error: no such certificate") in log

    def test_it_holds_none_of_our_descriptors(
        self, supervisor: Supervisor, tmp_path: Path, log: list[tuple[str, str]]
    ) -> None:
        def work() -> None:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(lock.fileno())
            print("it is closed")
            (tmp_path / "ready").touch()
            time.sleep(60)

        with (tmp_path / "lock").open("w") as lock:
            supervisor.start([Program("part", (), (tmp_path / "ready").exists, work=work)])
            supervisor.wait()
        watch(supervisor, lambda: ("part", "it is closed") in log)

    def test_sigterm_ends_it_though_we_have_a_handler(
        self, supervisor: Supervisor, tmp_path: Path, log: list[tuple[str, str]]
    ) -> None:
        ready = tmp_path / "ready"
        supervisor.start([Program("part", (), ready.exists, work=lambda: (ready.touch(), time.sleep(60)))])
        supervisor.wait()
        supervisor.stop()
        assert ("part", "does not end; killed") not in log
