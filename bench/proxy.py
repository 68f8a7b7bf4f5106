"""A TCP proxy that makes the network between two parts as bad as it can be: slow, cut, silent, trickling.

``python -m bench.proxy --to 127.0.0.1:5432 --port 6432 --control 6433`` and then, line by line on the control port:
``delay 50`` (ms each way), ``trickle 200`` (bytes a second each way), ``swallow`` (connections stay open, nothing
passes), ``refuse`` (new connections are closed at once), ``cut`` (all connections, now), ``cut-after 5000`` (bytes to
the server), ``clear``, ``stats``, ``quit``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
from dataclasses import asdict, dataclass
from typing import cast


@dataclass(slots=True)
class Weather:
    """What the network is like; 0 and False are a good one. ``cut_after_bytes`` counts what goes to the server."""

    delay_seconds: float = 0.0
    trickle_bytes_per_second: int = 0
    is_swallowing: bool = False
    is_refusing: bool = False
    cut_after_bytes: int = 0


class Proxy:
    """Passes bytes between clients and one server, through the ``weather`` of the moment."""

    def __init__(self, host: str, port: int) -> None:
        self.weather = Weather()
        self.connections = 0
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listens; gives the port."""
        self._server = await asyncio.start_server(self._serve, host, port)
        return cast(int, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Ends the listener and every connection."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.sleep(0)

    def cut(self) -> None:
        """Ends every connection at once, with a reset."""
        for writer in list(self._writers):
            writer.transport.abort()

    @property
    def open(self) -> int:
        """How many connections pass through now."""
        return len(self._writers) // 2

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self.weather.is_refusing:
            writer.transport.abort()
            return
        with contextlib.suppress(asyncio.CancelledError):
            await self._join(reader, writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        passing = (self._pass(reader, far_writer, True), self._pass(far_reader, writer, False))
        ways = [asyncio.create_task(way) for way in passing]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
        self._writers -= pair
        for one in pair:
            one.transport.abort() if self.weather.cut_after_bytes else one.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to_server: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                passed += len(data)
                weather = self.weather
                if to_server and weather.cut_after_bytes and passed > weather.cut_after_bytes:
                    return
                if weather.delay_seconds:
                    await asyncio.sleep(weather.delay_seconds)
                if self.weather.is_swallowing:
                    continue
                await self._write(writer, data)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        rate = self.weather.trickle_bytes_per_second
        if not rate:
            writer.write(data)
            await writer.drain()
            return
        step = max(1, rate // 20)
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            await asyncio.sleep(step / rate)


class Control(asyncio.Protocol):
    """A line of text in, a line of JSON out."""

    def __init__(self, proxy: Proxy, stop: asyncio.Event) -> None:
        self.proxy = proxy
        self.stop = stop
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Obeys each line."""
        for line in data.decode().splitlines():
            word, _, number = line.partition(" ")
            is_known = self.obey(word, int(number or 0))
            answer = {"ok": is_known, "open": self.proxy.open, **asdict(self.proxy.weather)}
            if self.transport is not None:
                self.transport.write(json.dumps(answer).encode() + b"\n")

    def obey(self, word: str, number: int) -> bool:
        """Changes the weather; whether the word is known."""
        changes: dict[str, dict[str, object]] = {
            "delay": {"delay_seconds": number / 1000},
            "trickle": {"trickle_bytes_per_second": number},
            "swallow": {"is_swallowing": True},
            "refuse": {"is_refusing": True},
            "cut-after": {"cut_after_bytes": number},
        }
        for name, value in changes.get(word, {}).items():
            setattr(self.proxy.weather, name, value)
        if word == "clear":
            self.proxy.weather = Weather()
        elif word == "cut":
            self.proxy.cut()
        elif word == "quit":
            self.stop.set()
        return word in changes or word in ("clear", "cut", "quit", "stats")


async def serve(given: argparse.Namespace) -> None:
    """Runs until SIGTERM, SIGINT or ``quit``."""
    host, _, port = given.to.rpartition(":")
    proxy, stop = Proxy(host, int(port)), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ready = {"port": await proxy.start(port=given.port), "pid": os.getpid()}
    control = await loop.create_server(lambda: Control(proxy, stop), "127.0.0.1", given.control)
    ready["control"] = control.sockets[0].getsockname()[1]
    print(json.dumps(ready), flush=True)
    await stop.wait()
    await proxy.stop()


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one, which the first line printed names")
    parser.add_argument("--control", type=int, default=0, metavar="PORT")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
