"""The listeners of a door, the watch over its sessions, and the end of both."""

from __future__ import annotations

import asyncio
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Generic, Protocol, TypeVar, cast

import structlog

from api.listening.capacity import advice_on
from api.listening.guard import Guard, Seat
from api.listening.proxied import HeaderInvalid, HeaderMissing, read_address
from hourpost.gateways.tls import RenewedTls

log = structlog.get_logger()

_BACKLOG = 1024
_FULL_SECONDS = 0.1
_COMPLAINT_SECONDS = 10.0
_HEADER_SECONDS = 10.0

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Listener:
    """A port; with ``implicit_tls`` the handshake comes first (RFC 8314 §3.3)."""

    host: str
    port: int  # 0: any free one
    implicit_tls: bool = False

    @property
    def purpose(self) -> str:
        """What it is for: those who come for one thing take no room from those who come for another."""
        return ""


class Times(Protocol):
    """How long things may take."""

    @property
    def handshake_seconds(self) -> float:
        """The handshake."""

    @property
    def goodbye_seconds(self) -> float:
        """The end of TLS."""

    @property
    def drain_seconds(self) -> float:
        """What is under way, once the door closes."""


class Room(Protocol):
    """What all sessions of a door share. ``seconds`` never goes back."""

    tls: ssl.SSLContext | None
    guard: Guard
    is_draining: bool

    @property
    def limits(self) -> Times:
        """How long things may take."""

    def seconds(self) -> float:
        """The time."""


class Conversation(Protocol):
    """A connection, as its door sees it."""

    was_made: bool
    seat: Seat | None

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it would be lost."""

    def end(self, reply: bytes) -> None:
        """Say so, and close."""

    def abort(self) -> None:
        """Close at once."""

    def check_deadlines(self, now: float) -> None:
        """End it if it takes too long."""


L = TypeVar("L", bound=Listener)
R = TypeVar("R", bound=Room)
C = TypeVar("C", bound=Conversation)


class Server(ABC, Generic[R, L, C]):
    """Listens on several ports of one door. It accepts by itself, so that caps hold before the handshake.

    A door says how a connection is made (``connect``), and what it says to one too many and at the end. Who connects
    from ``proxies`` says first, by the PROXY protocol, whom it speaks for. A ``tls`` that is renewed goes to the door.
    """

    refusal: bytes
    farewell: bytes

    def __init__(
        self,
        door: R,
        listeners: Sequence[L],
        *,
        proxies: Sequence[Network] = (),
        tls: RenewedTls | None = None,
        tick_seconds: float = 1.0,
    ) -> None:
        self.door = door
        self._tls = tls
        self._proxies = proxies
        self.ports: list[int] = []
        self.connections: set[C] = set()
        self._listeners = listeners
        self._tick_seconds = tick_seconds
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._complains_at = 0.0

    async def start(self) -> None:
        """Listen on all ports. Raises: OSError."""
        for listener in self._listeners:
            listening = _listen(listener)
            self._sockets.append(listening)
            self.ports.append(listening.getsockname()[1])
        for listener, listening in zip(self._listeners, self._sockets, strict=True):
            self.begin(self._accept(listener, listening))
        self.begin(self._keep_watch())

    async def drain(self) -> None:
        """Take nobody in, send idle sessions away, let the others finish what they do; then end what is left."""
        self.door.is_draining = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for listening in self._sockets:
            listening.close()
        for connection in list(self.connections):
            if connection.is_idle:
                connection.end(self.farewell)
        ends_at = self.door.seconds() + self.door.limits.drain_seconds
        while self.connections and self.door.seconds() < ends_at:  # noqa: ASYNC110  # once, at the very end
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()

    @abstractmethod
    def connect(self, listener: L, address: str) -> C:
        """The protocol of a connection that has come in; it puts itself among ``connections``."""

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside, until the end."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: L, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listening)
            except OSError as error:  # no descriptors left: those that are open will end
                self._complain(error)
                await asyncio.sleep(_FULL_SECONDS)
                continue
            address = str(peer[0])
            if self._proxies and self._is_proxy(address):
                self.begin(self._learn(listener, accepted, address))
            else:
                self._take_in(listener, accepted, address)

    def _complain(self, error: OSError) -> None:
        """Say that nobody can be taken in, and what helps, once in a while."""
        now = self.door.seconds()
        if now >= self._complains_at:
            self._complains_at = now + _COMPLAINT_SECONDS
            log.warning("cannot accept", error=repr(error), advice=advice_on(error), open=len(self.connections))

    def _is_proxy(self, address: str) -> bool:
        found = ip_address(address.partition("%")[0])
        known = getattr(found, "ipv4_mapped", None) or found
        return any(known in network for network in self._proxies)

    async def _learn(self, listener: L, accepted: socket.socket, proxy: str) -> None:
        """Take in whom a proxy speaks for; without a word of it nobody, as anybody could come by its address."""
        try:
            async with asyncio.timeout(_HEADER_SECONDS):
                address = await read_address(accepted)
        except (TimeoutError, OSError, HeaderInvalid) as error:
            accepted.close()
            tell = log.debug if isinstance(error, HeaderMissing) else log.info
            tell("a proxy did not say who is behind it", proxy=proxy, error=str(error) or "it was silent")
        except BaseException:
            accepted.close()
            raise
        else:
            self._take_in(listener, accepted, address or proxy)

    def _take_in(self, listener: L, accepted: socket.socket, address: str) -> None:
        seat = self.door.guard.enter(address, listener.purpose)
        if seat is not None:
            seat.visitor = _Opening(accepted)
            self.begin(self._open(listener, accepted, address, seat))
            return
        with accepted, suppress(OSError):
            if not listener.implicit_tls:
                accepted.send(self.refusal)

    async def _open(self, listener: L, accepted: socket.socket, address: str, seat: Seat) -> None:
        door, is_secure = self.door, listener.implicit_tls
        connection = self.connect(listener, address)
        connection.seat = seat
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: cast(asyncio.Protocol, connection),
                accepted,
                ssl=door.tls if is_secure else None,
                ssl_handshake_timeout=door.limits.handshake_seconds if is_secure else None,
                ssl_shutdown_timeout=door.limits.goodbye_seconds if is_secure else None,
            )
        except OSError as error:
            log.debug("no TLS", address=address, error=repr(error))
        finally:
            if not connection.was_made:
                door.guard.leave(seat)

    async def _keep_watch(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            if self._tls is not None and self._tls.renew():
                self.door.tls = self._tls.context
            now = self.door.seconds()
            for connection in list(self.connections):
                connection.check_deadlines(now)


class _Opening:
    """A connection until its handshake is done."""

    __slots__ = ("_accepted",)
    is_waited_for = True

    def __init__(self, accepted: socket.socket) -> None:
        self._accepted = accepted

    def give_way(self) -> None:
        with suppress(OSError):
            self._accepted.shutdown(socket.SHUT_RDWR)  # who opens it finds its end


def _listen(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    listening = socket.create_server((listener.host, listener.port), family=family, backlog=_BACKLOG)
    listening.setblocking(False)
    return listening
