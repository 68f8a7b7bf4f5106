"""Connections to addresses that were checked: a name is resolved once, and every address it has is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Any

import httpcore

from hourpost.errors import ServiceUnavailable
from hourpost.rules.reachable import Address, Network, is_reachable

_ADDRESSES = 4
_WEB_PORTS = (80, 443)  # and those above 1023: what listens below would take our words for commands

Resolve = Callable[[str], Awaitable[Sequence[Address]]]


class CheckedBackend(httpcore.AsyncNetworkBackend):
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
