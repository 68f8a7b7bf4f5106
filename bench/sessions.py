"""A thousand sessions that are logged in and wait: what they hold, and that others are served meanwhile."""

from __future__ import annotations

import asyncio
import ssl
import time
from base64 import b64encode

import psutil

from bench.instance import Instance
from bench.letters import Sender
from bench.memory import held_megabytes

SESSIONS = 1000
_AT_ONCE = 20
_PATIENCE_SECONDS = 120.0
_WARM = 20

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def weigh(instance: Instance, sender: Sender, sessions: int = SESSIONS) -> tuple[float, float]:
    """KiB that each of ``sessions`` costs the door, half of them by STARTTLS; and the seconds that one more takes.

    Raises: RuntimeError for one that is refused, or lost meanwhile.
    """
    door = instance.find("smtp")
    assert door is not None
    first = await _open_many(instance, sender, _WARM)
    before = held_megabytes([door])
    rest = await _open_many(instance, sender, sessions - _WARM)
    held = held_megabytes([door]) - before
    began_at = time.monotonic()
    _, another = await _open(instance, sender, by_starttls=True)
    seconds = time.monotonic() - began_at
    for pipe in (*first, *rest):
        await _say(pipe, b"NOOP", b"250")
    for _, writer in (*first, *rest, (None, another)):
        writer.close()
    if not psutil.pid_exists(door.pid):
        raise RuntimeError("the door did not bear it")
    return held * 1e6 / 1024 / len(rest), seconds


async def _open_many(instance: Instance, sender: Sender, count: int) -> list[Pipe]:
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> Pipe:
        async with turn:
            return await _open(instance, sender, by_starttls=bool(number % 2))

    async with asyncio.timeout(_PATIENCE_SECONDS):
        return await asyncio.gather(*map(one, range(count)))


async def _open(instance: Instance, sender: Sender, *, by_starttls: bool) -> Pipe:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the door's certificate is one of the run's own
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = instance.ports["SUBMISSION" if by_starttls else "SUBMISSIONS"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=None if by_starttls else context)
    pipe = reader, writer
    await _hear(reader, b"220")
    await _say(pipe, b"EHLO sessions.example", b"250")
    if by_starttls:
        await _say(pipe, b"STARTTLS", b"220")
        await writer.start_tls(context)
        await _say(pipe, b"EHLO sessions.example", b"250")
    login = b64encode(f"\0{sender.username}\0{sender.password}".encode())
    await _say(pipe, b"AUTH PLAIN " + login, b"235")
    return pipe


async def _say(pipe: Pipe, words: bytes, expected: bytes) -> None:
    reader, writer = pipe
    writer.write(words + b"\r\n")
    await _hear(reader, expected)


async def _hear(reader: asyncio.StreamReader, expected: bytes) -> None:
    line = await reader.readline()
    while line[3:4] == b"-":
        line = await reader.readline()
    if not line.startswith(expected):
        raise RuntimeError(f"{line!r} instead of {expected.decode()}")
