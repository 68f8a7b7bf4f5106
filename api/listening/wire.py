"""The transport of a session, whatever it speaks: its beginning, TLS in the middle of it, its end."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import MutableSet
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import structlog

from api.listening.guard import Seat
from api.listening.server import Room

R = TypeVar("R", bound=Room)

# One for all sessions of a process: what was read is taken out of it before anybody reads again. Without it uvloop asks
# the system for 256 KB for every read under TLS, and finds out by an exception that there is no more.
_INCOMING = memoryview(bytearray(64 * 1024))

log = structlog.get_logger()


class Gauge(Protocol):
    """What counts connections that are open."""

    def inc(self, amount: float = 1) -> None:
        """One more."""

    def dec(self, amount: float = 1) -> None:
        """One less."""


class Wire(asyncio.BufferedProtocol, ABC, Generic[R]):
    """One connection of a door. ``_work`` is what is being worked on; nothing else is begun meanwhile."""

    __slots__ = (
        *("seat", "was_made", "_address", "_connections", "_door", "_heard_at", "_is_paused", "_is_shaking_hands"),
        *("_opened_at", "_transport", "_work"),
    )
    gauge: ClassVar[Gauge]
    refusal: ClassVar[bytes]  # what it hears that has to make room

    def __init__(self, door: R, address: str, connections: MutableSet[Any]) -> None:
        self._door = door
        self._address = address
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._work: asyncio.Task[None] | None = None
        self.seat: Seat | None = None
        self.was_made = False
        self._is_paused = self._is_shaking_hands = False
        self._opened_at = self._heard_at = door.seconds()

    # what the door says to it

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """Whether closing now would interrupt nothing."""

    @abstractmethod
    def end(self, reply: bytes) -> None:
        """Say why, and close."""

    @abstractmethod
    def _greet(self) -> None:
        """Say the first word."""

    @abstractmethod
    def data_received(self, data: bytes) -> None:
        """Take what the client wrote."""

    @abstractmethod
    def _forget(self) -> None:
        """The client is gone."""

    @abstractmethod
    def _go_on(self) -> None:
        """Act on what has arrived, unless something has to happen first."""

    @abstractmethod
    def _secured(self) -> None:
        """TLS has begun."""

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._attach(cast(asyncio.Transport, transport))  # uvloop's do not inherit from it
        self.was_made = True
        if self.seat is not None:
            self.seat.visitor = self
        self._connections.add(self)
        self.gauge.inc()
        self._greet()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the place for what is read next."""
        return _INCOMING

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self.data_received(_INCOMING[:nbytes].tobytes())

    def eof_received(self) -> None:
        """Close: a client that will not send any more cannot end its session either."""

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the session; what is being stored is stored nevertheless. May be called twice."""
        self._attach(None)
        self._forget()
        if self in self._connections:
            self._connections.discard(self)
            self.gauge.dec()
        if self.seat is not None:
            self._door.guard.leave(self.seat)

    # what the server calls

    @property
    def is_waited_for(self) -> bool:
        """Whether it is the client's turn, in the middle of nothing."""
        return self._is_shaking_hands or self.is_idle

    def give_way(self) -> None:
        """Close at once, as another needs the room; the end of TLS would take its time."""
        if self._transport is None:
            return
        if self._is_shaking_hands or self._transport.get_extra_info("sslcontext") is not None:
            self._transport.abort()
        else:
            self.end(self.refusal)

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    # the transport

    @property
    def _unread_bytes(self) -> int:
        """How much the client has not taken."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def _attach(self, transport: asyncio.Transport | None) -> None:
        """Speak over this one from now on; None when there is none any more."""
        self._transport = transport

    def _hold_up(self, *, is_full: bool) -> None:
        """Read no further while there is enough to do, and go on when there is not."""
        if self._transport is not None and is_full is not self._is_paused:
            self._is_paused = is_full
            self._transport.pause_reading() if is_full else self._transport.resume_reading()

    # TLS

    def _begin_tls(self) -> None:
        """Shake hands on a connection that was in clear; whatever comes from now on belongs to that."""
        transport, tls = self._transport, self._door.tls
        assert transport is not None
        assert tls is not None
        transport.pause_reading()
        self._is_shaking_hands = True
        self._work = asyncio.get_running_loop().create_task(self._shake_hands(transport, tls))

    def _know(self) -> None:
        """It has logged in: it is no stranger any more."""
        if self.seat is not None:
            self._door.guard.know(self.seat)

    async def _shake_hands(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        if transport.is_closing():  # who has left meanwhile never begins, and start_tls would wait for ever
            self._work = None
            return
        limits = self._door.limits
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                tls,
                server_side=True,
                ssl_handshake_timeout=limits.handshake_seconds,
                ssl_shutdown_timeout=limits.goodbye_seconds,
            )
        except OSError as error:
            log.debug("no TLS", address=self._address, error=repr(error))
            transport.abort()
            self._work, self._is_shaking_hands = None, False
            self.connection_lost(error)  # nobody else calls it before the handshake is done
            return
        self._work, self._is_shaking_hands = None, False
        self._attach(secured)
        self._secured()
        self._go_on()
