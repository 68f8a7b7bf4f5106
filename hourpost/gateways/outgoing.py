"""Outgoing calls to addresses that customers choose: nothing of ours can be reached by them.

A name is resolved once, every address it has is checked, and the connection goes to one that was checked. Redirects
are answers like any other; proxies of the environment are not used.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Protocol

import httpcore

from hourpost.errors import ServiceUnavailable
from hourpost.rules.reachable import LOOPBACK, Address, Network, is_reachable
from hourpost.settings import Settings

TIMEOUT_SECONDS = 15.0
KEPT_BYTES = 4096
_CONNECT_SECONDS = 5.0
_ADDRESSES = 4
_CONNECTIONS = 400
_KEPT_CONNECTIONS = 100
_KEEPALIVE_SECONDS = 20.0
_WEB_PORTS = (80, 443)  # and those above 1023: what listens below would take our words for commands

Resolve = Callable[[str], Awaitable[Sequence[Address]]]


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
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_KEPT_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=_CheckedBackend(resolve, allowed),
        )

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
        except (httpcore.UnsupportedProtocol, UnicodeError, ValueError) as error:
            raise Unreachable("The address is not one that can be called.") from error
        text = kept.decode("utf-8", "replace").replace("\0", "")
        return Answer(status, text, time.monotonic() - began_at)

    async def _exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        extensions = {"timeout": {"connect": _CONNECT_SECONDS}}
        async with self._pool.stream(
            "POST", url, headers=list(headers.items()), content=body, extensions=extensions
        ) as response:
            kept = bytearray()
            async for chunk in response.aiter_stream():
                kept += chunk
                if len(kept) >= KEPT_BYTES:
                    break
            return response.status, bytes(kept[:KEPT_BYTES])

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked, and to nothing else."""

    def __init__(self, resolve: Resolve, allowed: Sequence[Network]) -> None:
        self._resolve = resolve
        self._allowed = allowed
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of ``host`` that answers. Raises: httpcore.ConnectError."""
        addresses = await self._addresses_of(host)
        for one in addresses:
            if not is_reachable(one, self._allowed) or not _is_open(port, one, self._allowed):
                raise httpcore.ConnectError("The address is not of the open internet.")
        error: Exception = httpcore.ConnectError("The name has no address.")
        for one in addresses[:_ADDRESSES]:
            try:
                return await self._inner.connect_tcp(str(one), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's own signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never. Raises: httpcore.ConnectError."""
        raise httpcore.ConnectError("Sockets of this machine are not called.")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _addresses_of(self, host: str) -> Sequence[Address]:
        try:
            return [ip_address(host.strip("[]"))]
        except ValueError:
            pass
        try:
            return await self._resolve(host)
        except ServiceUnavailable:
            raise httpcore.ConnectError("The name servers gave no answer about its name.") from None


def _is_open(port: int, address: Address, allowed: Sequence[Network]) -> bool:
    return port in _WEB_PORTS or port > 1023 or any(address in one for one in allowed if one.version == address.version)


def _words(error: Exception) -> str:
    """What went wrong, for the customer: the messages of the system say no more than they may."""
    if isinstance(error, httpcore.TimeoutException):
        return "No connection within the time allowed."
    if isinstance(error, httpcore.RemoteProtocolError):
        return "The server's answer is not HTTP, or broke off."
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The certificate is not valid: {cause.verify_message}."
    return str(error)[:300] or "The connection failed."
