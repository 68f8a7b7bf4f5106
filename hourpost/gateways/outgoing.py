"""Outgoing calls to addresses that customers choose: nothing of ours can be reached by them.

A name is resolved once, every address it has is checked, and the connection goes to one that was checked. Redirects
are answers like any other; proxies of the environment are not used.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Protocol

import httpcore

from hourpost.gateways.checked_backend import CheckedBackend, Resolve
from hourpost.rules.reachable import LOOPBACK, Network
from hourpost.settings import Settings

TIMEOUT_SECONDS = 15.0
KEPT_BYTES = 4096
_CONNECT_SECONDS = 5.0
_KEPT_OF_ONE = 16
_GONE = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)
_KEEPALIVE_SECONDS = 20.0
_PLAIN = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_NOT_TLS = "The server does not speak TLS at this port: is it one for plain HTTP?"


class Unreachable(Exception):
    """No answer came; the text may be shown to the customer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: its status and the beginning of its body, without NULs."""

    status: int
    text: str
    seconds: float


class Outgoing(Protocol):
    """Posts to addresses of customers."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer, whatever its status. Raises: Unreachable, with nothing of ours in its text."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def allowed_networks(settings: Settings) -> tuple[Network, ...]:
    """Networks besides the open internet that customers may have called. Raises: ValueError.

    While everything runs here for one person alone, their own machine is among them.
    """
    named = tuple(ip_network(one) for one in settings.outgoing_networks.split())
    return named + LOOPBACK if settings.embedded and settings.is_loopback else named


class HttpOutgoing:
    """The real thing. ``allowed`` are networks that may be reached although they are not of the open internet."""

    def __init__(
        self, resolve: Resolve, allowed: Sequence[Network] = (), *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._connections = _Connections(CheckedBackend(resolve, allowed))

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer, within the time-out. Raises: Unreachable."""
        began_at = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status, kept = await self._exchange(url, headers, body)
        except TimeoutError:
            raise Unreachable(f"No answer within {self._timeout_seconds:g} seconds.") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise Unreachable(_words(error)) from error
        except (httpcore.UnsupportedProtocol, KeyError, UnicodeError, ValueError) as error:
            raise Unreachable("The address is not one that can be called.") from error
        text = kept.decode("utf-8", "replace").replace("\0", "")
        return Answer(status, text, time.monotonic() - began_at)

    async def _exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        target = httpcore.URL(url)
        connection = await self._connections.take(target.origin)
        was_open = connection.is_idle()
        try:
            found = await _post(connection, target, headers, body)
        except BaseException as error:
            await connection.aclose()
            if was_open and isinstance(error, _GONE):  # closed by the other end while it was idle
                return await self._exchange(url, headers, body)
            raise
        await self._connections.give(target.origin, connection)
        return found

    async def close(self) -> None:
        """Close every connection."""
        await self._connections.close()


class _Connections:
    """Those that are open and idle, by where they go. httpcore's own pool looks at all of them for each request."""

    def __init__(self, backend: CheckedBackend) -> None:
        self._backend = backend
        self._ssl = ssl.create_default_context()
        self._idle: dict[str, list[httpcore.AsyncHTTPConnection]] = {}
        self._swept_at = time.monotonic()

    async def take(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        """One that is idle, or a new one that connects with its first request."""
        kept = self._idle.get(str(origin), [])
        while kept:
            connection = kept.pop()
            if connection.is_idle() and not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(
            origin, self._ssl, keepalive_expiry=_KEEPALIVE_SECONDS, network_backend=self._backend
        )

    async def give(self, origin: httpcore.Origin, connection: httpcore.AsyncHTTPConnection) -> None:
        """Keep it for the next, where it can be used again."""
        kept = self._idle.setdefault(str(origin), [])
        if connection.is_idle() and len(kept) < _KEPT_OF_ONE:
            kept.append(connection)
        else:
            await connection.aclose()
        if time.monotonic() - self._swept_at > _KEEPALIVE_SECONDS:
            await self._sweep()

    async def close(self) -> None:
        """Close all that are idle."""
        for kept in self._idle.values():
            for connection in kept:
                await connection.aclose()
        self._idle.clear()

    async def _sweep(self) -> None:
        self._swept_at = time.monotonic()
        for origin, kept in list(self._idle.items()):
            expired = [one for one in kept if one.has_expired()]
            self._idle[origin] = [one for one in kept if one not in expired]
            if not self._idle[origin]:
                del self._idle[origin]
            for connection in expired:
                await connection.aclose()


async def _post(
    connection: httpcore.AsyncHTTPConnection, url: httpcore.URL, headers: Mapping[str, str], body: bytes
) -> tuple[int, bytes]:
    extensions = {"timeout": {"connect": _CONNECT_SECONDS}}
    async with connection.stream(
        "POST", url, headers=list(headers.items()), content=body, extensions=extensions
    ) as response:
        kept = bytearray()
        async for chunk in response.aiter_stream():
            kept += chunk
            if len(kept) >= KEPT_BYTES:
                break
        return response.status, bytes(kept[:KEPT_BYTES])


def _words(error: Exception) -> str:
    """What went wrong, for the customer: the messages of the system say no more than they may."""
    if isinstance(error, httpcore.TimeoutException):
        return "No connection within the time allowed."
    if isinstance(error, httpcore.RemoteProtocolError):
        return "The server's answer is not HTTP, or broke off."
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The certificate is not valid: {cause.verify_message}."
    if isinstance(cause, ssl.SSLError):
        return (
            _NOT_TLS
            if cause.reason in _PLAIN
            else "The server broke off the TLS handshake; it may have no TLS 1.2 or newer."
        )
    return str(error)[:300] or "The connection failed."
