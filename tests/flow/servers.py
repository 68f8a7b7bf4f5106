"""Servers of a test's own, which it may kill, freeze and start again."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import psutil
import redis

from hourpost.embedded.postgres import EmbeddedPostgres
from hourpost.embedded.program import Program, spawn, stop, wait_until_ready
from hourpost.embedded.redis import EmbeddedRedis
from tests.fixtures.ports import free_port


class Server:
    """A program that a test may treat badly."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.start()

    def start(self) -> None:
        self.child = spawn(self.program, output=subprocess.DEVNULL)
        wait_until_ready(self.program, self.child)

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        self.child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.child.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.thaw()
        stop(self.program, self.child)


class OwnRedis(Server):
    """Redis, as `hourpost up` runs it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "port").write_text(str(free_port()))  # one that nobody is given while it is down
        embedded = EmbeddedRedis(folder)
        self.url, self.broker_url = embedded.url(), embedded.url(0)
        super().__init__(embedded.program())
        self.client = redis.Redis.from_url(self.url)

    def stop(self) -> None:
        self.client.close()
        super().stop()


class OwnPostgres(Server):
    """PostgreSQL, as `hourpost up` runs it. Frozen with every process of its sessions."""

    def __init__(self, folder: Path) -> None:
        embedded = EmbeddedPostgres(folder, durable=False)
        self.url = embedded.url()
        super().__init__(embedded.program())

    def kill(self) -> None:
        """An immediate shutdown: its sessions end without a word, and it recovers at the next start."""
        self.child.send_signal(signal.SIGQUIT)
        self.child.wait(10)

    def freeze(self) -> None:
        super().freeze()
        for child in psutil.Process(self.child.pid).children():
            child.suspend()

    def thaw(self) -> None:
        for child in psutil.Process(self.child.pid).children():
            child.resume()
        super().thaw()
