"""Which of a relay's addresses is called: all of them in order, until one answers (RFC 5321 §5.1, RFC 8305)."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from itertools import zip_longest
from typing import Any

from hourpost.gateways.relays.connection import RelayConnection

_CONNECTED_SECONDS = 0.25
"""How long an address has to itself until it has connected: then the next one is called beside it (RFC 8305 §5)."""
_GREETED_SECONDS = 5.0
"""And how long until it has greeted, which some do with a pause."""
_SHUNNED_SECONDS = 600.0
"""How long an address that failed comes after the others."""
_MOST_ADDRESSES = 8

Call = Callable[[str, Callable[[], None]], Coroutine[Any, Any, RelayConnection]]
"""Calls a numeric address until the relay has greeted; tells by the function that it has connected."""


class CallFailed(Exception):
    """A call came to nothing; of several, the one that got farthest is told."""

    @property
    def reach(self) -> int:
        """How far it got; a higher number is farther."""
        return 0


class Dialer:
    """Calls a relay by its name, and remembers which of its addresses failed."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._is_number = _is_number(host)
        self._shunned: dict[str, float] = {}  # since when

    async def dial(self, call: Call, deadline: float) -> RelayConnection:
        """The first connection that is greeted; the others are closed. The name is to be resolved by ``deadline``.

        Raises: CallFailed; OSError, TimeoutError and UnicodeError, where the name cannot be resolved.
        """
        if self._is_number:
            return await call(self._host, lambda: None)
        async with asyncio.timeout_at(deadline):
            addresses = await self._resolve()
        calls = _Calls(call, addresses)
        try:
            connection = await calls.race()
        except CallFailed:
            self.shun(*calls.tried)
            raise
        self.shun(*calls.tried[: calls.tried.index(calls.winner)])
        self._shunned.pop(calls.winner, None)
        connection.address = calls.winner
        return connection

    async def _resolve(self) -> list[str]:
        """The addresses in the resolver's order, the families in turn; those that failed come last."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        if not found:
            raise OSError("the name has no address")
        families: dict[int, list[str]] = {}
        for family, _, _, _, address in found:
            families.setdefault(family, []).append(_numeric(address))
        in_turn = [one for row in zip_longest(*families.values()) for one in row if one is not None]
        now = loop.time()
        self._shunned = {one: since for one, since in self._shunned.items() if now - since < _SHUNNED_SECONDS}
        return sorted(dict.fromkeys(in_turn), key=lambda one: self._shunned.get(one, 0.0))[:_MOST_ADDRESSES]

    def shun(self, *addresses: str) -> None:
        """These failed: they come after the others for a while."""
        now = asyncio.get_running_loop().time()
        self._shunned.update(dict.fromkeys(addresses, now))


class _Calls:
    """Calls to several addresses: the next one is begun when one has failed or takes long, and one wins."""

    def __init__(self, call: Call, addresses: list[str]) -> None:
        self.tried: list[str] = []
        self.winner = ""
        self._call = call
        self._left = deque(addresses)
        self._under_way: dict[asyncio.Task[RelayConnection], str] = {}
        self._next_at = 0.0
        self._loop = asyncio.get_running_loop()

    async def race(self) -> RelayConnection:
        """The first that is greeted. Raises: CallFailed, when all have failed."""
        faults: list[CallFailed] = []
        try:
            while self._left or self._under_way:
                seconds = self._next_at - self._loop.time()
                if self._left and seconds <= 0:
                    self._begin(self._left.popleft())
                    continue
                await asyncio.wait(
                    self._under_way,
                    timeout=seconds if self._left else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                connection = self._first_done(faults)
                if connection is not None:
                    return connection
        finally:
            for task in self._under_way:
                _drop(task)
        raise max(faults, key=lambda fault: fault.reach)

    def _begin(self, address: str) -> None:
        began_at = self._loop.time()

        def connected() -> None:
            if self.tried[-1] == address:
                self._next_at = began_at + _GREETED_SECONDS

        self.tried.append(address)
        self._next_at = began_at + _CONNECTED_SECONDS
        self._under_way[self._loop.create_task(self._call(address, connected))] = address

    def _first_done(self, faults: list[CallFailed]) -> RelayConnection | None:
        for task in [one for one in self._under_way if one.done()]:
            self.winner = self._under_way.pop(task)
            try:
                return task.result()
            except CallFailed as fault:
                faults.append(fault)
                self._next_at = 0.0
        return None


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _numeric(address: tuple[Any, ...]) -> str:
    """The address of a socket as it can be resolved again: a link-local one names its interface (RFC 4007 §11)."""
    return f"{address[0]}%{address[3]}" if len(address) == 4 and address[3] else str(address[0])


def _drop(task: asyncio.Task[RelayConnection]) -> None:
    """Ends a call that is not needed, or the connection that it has come to meanwhile."""
    if not task.cancel() and task.exception() is None:
        task.result().quit()
