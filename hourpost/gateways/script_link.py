"""Calls of one Lua script in one round trip, each told which server it runs on."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from time import monotonic
from typing import Any, NamedTuple

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import NoScriptError, RedisError, ResponseError

from hourpost.errors import ServiceUnavailable

AWAY = "Redis does not answer"
TAKES_NOTHING = "Redis takes nothing"
CONNECTIONS = 8
MARK_BYTES = 48
LAYOUT = b"1:"
"""Raise it when the bucket's layout changes: buckets of another layout are cold."""

_MOST_WORDS = 200
_RUN_ID = re.compile(rb"^run_id:([0-9a-f]{40})\r?$", re.MULTILINE)


class HourUnavailable(ServiceUnavailable):
    """Redis does not answer; what was asked may or may not have happened."""


class HourRefused(HourUnavailable):
    """Redis answers, and takes nothing: it is full, or a replica, say; the cause is in its own words."""


class Call(NamedTuple):
    """One run of the script: the operation, its keys, its arguments."""

    operation: str
    keys: tuple[str, ...]
    arguments: tuple[bytes | int | str, ...] = ()

    def packed(self, sha: str, mark: bytes, now: str) -> bytes:
        """The command on the wire (RESP)."""
        parts: Any = ("EVALSHA", sha, len(self.keys), *self.keys, self.operation, mark, now, *self.arguments)
        packed: bytes = pack_command(parts)  # Any: they mean a tuple of any length
        return packed


class ScriptLink:
    """A few connections to one Redis, none of which tries anything twice.

    Each connection learns the run id of its server when it is made. A restarted server, or the replica that takes over,
    has another one; so a script that compares it never trusts what a server has restored instead of counted.

    ``timeout_seconds`` bounds each wait. After a failure every call fails at once for ``rest_seconds``, so that a
    frozen Redis costs callers one wait and not one each.
    """

    def __init__(self, url: str, script: str, *, timeout_seconds: float = 0.3, rest_seconds: float = 0.5) -> None:
        self._script = script
        self._sha = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._timeout_seconds = timeout_seconds
        self._rest_seconds = rest_seconds
        self._rests_until = 0.0
        self._last_fault: Exception = OSError()
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[AbstractConnection] = []
        self.is_cluster: bool | None = None
        """Whether it takes keys of one slot alone in one run; None until it was first met."""
        self._factory = ConnectionPool.from_url(
            url,
            protocol=2,
            driver_info=None,
            socket_timeout=None,  # one limit for the whole exchange is in `run`
            socket_connect_timeout=timeout_seconds,
            redis_connect_func=self._greet,
        )

    async def run(self, calls: Sequence[Call], now: str = "") -> list[Any]:
        """Run ``calls`` in order, one round trip for all; ``now`` replaces the server's clock (µs).

        Gives what the script returned to each: bytes, ``None``, or a list of both.

        Raises:
            HourUnavailable: any of them was not answered in time; each may have run. HourRefused: one was refused.
        """
        async with self._turns:
            if monotonic() < self._rests_until:
                raise _unavailable(self._last_fault, cause="resting after a failure")
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    return await self._exchange(calls, now)
            except (RedisError, OSError) as fault:
                self._rests_until, self._last_fault = monotonic() + self._rest_seconds, fault
                raise _unavailable(fault, cause=repr(fault)) from fault

    async def aclose(self) -> None:
        """Close the connections."""
        while self._idle:
            await self._idle.pop().disconnect()

    def _connection(self) -> AbstractConnection:
        # Only the pool reads the URL; going through it for each call would cost as much as the call.
        connection: AbstractConnection = self._factory.make_connection()  # type: ignore[no-untyped-call]  # theirs
        return connection

    async def _greet(self, connection: AbstractConnection) -> None:
        await connection.on_connect()
        await connection.send_command("INFO", "server", check_health=False)
        told = await connection.read_response(disable_decoding=True)
        found = _RUN_ID.search(told)
        if found is None:
            raise ResponseError("INFO tells no run_id")
        self.is_cluster = b"redis_mode:cluster" in told
        vars(connection)["mark"] = (LAYOUT + found[1]).ljust(MARK_BYTES)
        await self._load(connection)

    async def _load(self, connection: AbstractConnection) -> None:
        await connection.send_command("SCRIPT", "LOAD", self._script, check_health=False)
        await connection.read_response()

    async def _exchange(self, calls: Sequence[Call], now: str) -> list[Any]:
        connection = self._idle.pop() if self._idle else self._connection()
        try:
            if not connection.is_connected or await connection.can_read():  # closed by the server while it was idle
                await connection.disconnect(nowait=True)
                await connection.connect()  # type: ignore[no-untyped-call]  # theirs
            replies = await self._answers(connection, calls, now)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._idle.append(connection)
        return replies

    async def _answers(self, connection: AbstractConnection, calls: Sequence[Call], now: str) -> list[Any]:
        replies = await self._send(connection, calls, now)
        missing = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:  # somebody ran SCRIPT FLUSH
            await self._load(connection)
            again = await self._send(connection, [calls[index] for index in missing], now)
            for index, reply in zip(missing, again, strict=True):
                replies[index] = reply
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    async def _send(self, connection: AbstractConnection, calls: Sequence[Call], now: str) -> list[Any]:
        # The mark is read and the bytes are handed over without a pause between, so both belong to the same server.
        mark = vars(connection)["mark"]
        packed = b"".join([call.packed(self._sha, mark, now) for call in calls])
        await connection.send_packed_command(packed, check_health=False)
        return [await self._reply(connection) for _ in calls]

    @staticmethod
    async def _reply(connection: AbstractConnection) -> Any:
        try:
            return await connection.read_response(disable_decoding=True)
        except ResponseError as refusal:
            return refusal


def _unavailable(fault: Exception, *, cause: str) -> HourUnavailable:
    if isinstance(fault, ResponseError):
        words = str(fault).rpartition(": -")[2]  # what stands before is where in the script
        return HourRefused(TAKES_NOTHING, retry_after_seconds=1, cause=words[:_MOST_WORDS])
    return HourUnavailable(AWAY, retry_after_seconds=1, cause=cause)
