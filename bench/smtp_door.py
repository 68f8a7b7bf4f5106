"""What the SMTP door costs by itself: TLS, AUTH, framing, checks, trace header; the intake only counts.

    .venv/bin/python -m bench.smtp_door [--sessions 32] [--seconds 5] [--rss 1000]

A client process sends over pipelining sessions; the CPU time printed is the door's process alone.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import multiprocessing
import resource
import ssl
import tempfile
import time
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import cast

import psutil
import uvloop

from api.smtp.door import Door
from api.smtp.server import Listener, SmtpServer
from api.smtp.submit import Submitting
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.tls import make_tls_context
from hourpost.logging import configure_logging
from hourpost.rules.delivery_state import State
from hourpost.rules.submission import Order, Placed, Receipt
from hourpost.settings import Settings
from tests.fakes.standings import PASSWORD, USERNAME, FixedStandings
from tests.fixtures.certificates import self_signed

HEAD = (
    b"From: Acme <hello@acme.test>\r\nTo: b@example.net\r\nSubject: Your receipt\r\n"
    b"Date: Tue, 24 Nov 2026 15:00:00 +0000\r\nMessage-ID: <1.2@acme.test>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
)
LINE = b"a line of text as it is found in a message of the usual kind, of 76 bytes.\r\n"


class CountingIntake:
    """Takes everything and keeps nothing."""

    def __init__(self) -> None:
        self.count = 0

    async def accept(self, order: Order) -> Receipt:
        self.count += 1
        mail = order.submissions[0]
        recipients = tuple((address, State.QUEUED) for address in mail.recipients)
        return Receipt((Placed(mail.email_id, mail.message_id, recipients, None, None),), None)


class Sender(asyncio.Protocol):
    """Logs in and then sends messages in two round trips each."""

    def __init__(self, message: bytes, ready: asyncio.Future[None]) -> None:
        self.envelope = b"MAIL FROM:<hello@acme.test>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
        self.message = message + b".\r\n"
        self.ready = ready
        self.is_sending = False
        self.sent = 0
        self.step = self.greeting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.step(data)

    def greeting(self, data: bytes) -> None:
        self.transport.write(b"EHLO bench\r\n")
        self.step = self.extensions

    def extensions(self, data: bytes) -> None:
        word = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode())
        self.transport.write(b"AUTH PLAIN " + word + b"\r\n")
        self.step = self.login

    def login(self, data: bytes) -> None:
        assert data.startswith(b"235"), data
        self.ready.set_result(None)

    def begin(self) -> None:
        self.is_sending = True
        self.transport.write(self.envelope)
        self.step = self.answer

    def answer(self, data: bytes) -> None:
        if data.endswith(b"LF>\r\n"):
            self.transport.write(self.message)
        elif data.startswith(b"250 2.0.0 queued"):
            self.sent += 1
            if self.is_sending:
                self.transport.write(self.envelope)


async def open_senders(port: int, sessions: int, message: bytes) -> list[Sender]:
    context = ssl._create_unverified_context()
    loop = asyncio.get_running_loop()
    senders = []
    for _ in range(sessions):
        ready: asyncio.Future[None] = loop.create_future()
        made = partial(Sender, message, ready)
        _, sender = await loop.create_connection(made, "127.0.0.1", port, ssl=context)
        await ready
        senders.append(sender)
    return senders


def drive(port: int, sessions: int, seconds: float, sizes: list[int], pipe: Pipe) -> None:
    """The client process: for each size, say when it begins and what was sent."""

    async def run() -> None:
        for size in sizes:
            message = HEAD + LINE * max(1, (size - len(HEAD)) // len(LINE))
            senders = await open_senders(port, sessions, message)
            pipe.send("begin")
            pipe.recv()
            for sender in senders:
                sender.begin()
            await asyncio.sleep(seconds)
            pipe.send(sum(sender.sent for sender in senders))
            for sender in senders:
                sender.is_sending = False
                sender.transport.close()

    uvloop.run(run())


def sit(port: int, sessions: int, pipe: Pipe) -> None:
    """The other client process: open sessions that do nothing."""

    async def run() -> None:
        senders = await open_senders(port, sessions, b"")
        pipe.send(len(senders))
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)

    uvloop.run(run())


async def serve(options: argparse.Namespace, certificate: tuple[Path, Path]) -> None:
    """The door, and the clock beside it."""
    loop = asyncio.get_running_loop()
    door = Door("mail.test", make_tls_context(*certificate), loop.time)
    intake = CountingIntake()
    role = Submitting(FixedStandings(), intake, SystemClock(), "mail.test")
    server = SmtpServer(door, [Listener("127.0.0.1", 0, role=role, implicit_tls=True)])
    await server.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    sizes = [2_000, 50_000]
    pipe, other = multiprocessing.Pipe()
    client = multiprocessing.get_context("spawn").Process(
        target=drive, args=(server.ports[0], options.sessions, options.seconds, sizes, other)
    )
    client.start()
    print(f"{'size':>8} {'messages/s':>12} {'door CPU ms/message':>20}")
    for size in sizes:
        await loop.run_in_executor(None, pipe.recv)
        cpu, began, before = time.process_time(), time.monotonic(), intake.count
        pipe.send("go")
        await loop.run_in_executor(None, pipe.recv)
        count, elapsed = intake.count - before, time.monotonic() - began
        print(f"{size:>8} {count / elapsed:>12.0f} {(time.process_time() - cpu) / count * 1000:>20.4f}")
    client.join(10)
    await weigh(options.rss, server.ports[0])


async def weigh(sessions: int, port: int) -> None:
    """Memory for each idle session under TLS."""
    loop = asyncio.get_running_loop()
    process = psutil.Process()
    pipe, other = multiprocessing.Pipe()
    client = multiprocessing.get_context("spawn").Process(target=sit, args=(port, sessions, other))
    before = process.memory_info().rss
    client.start()
    opened = await loop.run_in_executor(None, pipe.recv)
    gained = process.memory_info().rss - before
    print(f"{opened} idle TLS sessions: {gained / opened / 1024:.1f} KiB each")
    pipe.send("enough")
    client.join(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rss", type=int, default=1000)
    options = parser.parse_args()
    configure_logging(Settings(_env_file=None), "smtp")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        made = self_signed(Path(folder), "mail.test")
        uvloop.run(serve(options, (made.cert, made.key)))


if __name__ == "__main__":
    main()
