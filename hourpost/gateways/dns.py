"""DNS: what is published under a name, asked of the system's name servers or of those that the settings name."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any, Literal, Protocol

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.name import Name
from dns.nameserver import Do53Nameserver
from dns.rdtypes.txtbase import TXTBase
from dns.resolver import NXDOMAIN, NoAnswer

from hourpost.errors import ServiceUnavailable
from hourpost.rules.reachable import Address

_PORT = 53
_MAIL_PORT = 25


ServerKind = Literal["MX", "SRV", "CNAME"]
Server = tuple[str, int]
"""A host in lower case, without the dot at the end, and its port: that of mail for an MX, and 0 for a CNAME."""


class DnsUnavailable(ServiceUnavailable):
    """No name server gave a usable answer: nothing is known about the name."""


class Dns(Protocol):
    """Answers questions about names."""

    async def find_txt(self, name: str) -> tuple[str, ...]:
        """The TXT records of ``name``, each joined; empty when it has none. Raises: DnsUnavailable."""
        ...

    async def find_servers(self, name: str, kind: ServerKind) -> tuple[Server, ...]:
        """The hosts that the records of ``name`` point to. Raises: DnsUnavailable."""
        ...

    async def find_addresses(self, name: str) -> tuple[Address, ...]:
        """The addresses of ``name``, IPv4 first; empty when it has none. Raises: DnsUnavailable."""
        ...


class ResolverDns:
    """The real thing. ``servers`` are space-separated: ``192.0.2.1``, ``192.0.2.1:5353``, ``[2001:db8::1]:53``.

    Each server is waited for ``timeout_seconds``, all of them together ``lifetime_seconds``.
    Raises: ValueError for a server that is no address.
    """

    def __init__(self, servers: str = "", *, timeout_seconds: float = 2.0, lifetime_seconds: float = 5.0) -> None:
        self._servers = [name_server(text) for text in servers.split()]
        self._timeout_seconds = timeout_seconds
        self._lifetime_seconds = lifetime_seconds

    async def find_txt(self, name: str) -> tuple[str, ...]:
        """The TXT records of ``name``. Raises: DnsUnavailable."""
        return tuple(_text(record) for record in await self._ask(name, "TXT") if isinstance(record, TXTBase))

    async def find_servers(self, name: str, kind: ServerKind) -> tuple[Server, ...]:
        """The hosts that ``name`` points to. Raises: DnsUnavailable."""
        records = await self._ask(name, kind)
        if kind == "MX":
            return tuple((_host(record.exchange), _MAIL_PORT) for record in records)
        if kind == "CNAME":
            return tuple((_host(record.target), 0) for record in records)
        return tuple((_host(record.target), record.port) for record in records)

    async def find_addresses(self, name: str) -> tuple[Address, ...]:
        """The addresses of ``name``; those of localhost are known (RFC 6761 §6.3). Raises: DnsUnavailable."""
        host = name.rstrip(".").lower()
        if host == "localhost" or host.endswith(".localhost"):
            return (ip_address("127.0.0.1"), ip_address("::1"))
        found = await asyncio.gather(self._ask(host, "A"), self._ask(host, "AAAA"), return_exceptions=True)
        answers = [one for one in found if not isinstance(one, BaseException)]
        addresses = tuple(ip_address(record.address) for answer in answers for record in answer)
        if not addresses and len(answers) < len(found):
            raise next(one for one in found if isinstance(one, BaseException))
        return addresses

    async def _ask(self, name: str, kind: str) -> list[Any]:
        try:
            return list(await self._resolver().resolve(f"{name}.", kind))
        except (NXDOMAIN, NoAnswer):
            return []
        except (DNSException, OSError) as error:
            message = f"The name servers gave no answer about {name}."
            raise DnsUnavailable(message, retry_after_seconds=30, cause=repr(error)) from error

    def _resolver(self) -> Resolver:
        resolver = Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = self._servers
        resolver.timeout = self._timeout_seconds
        resolver.lifetime = self._lifetime_seconds
        return resolver


def _host(name: Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _text(record: TXTBase) -> str:
    return b"".join(record.strings).decode("utf-8", "replace")


def name_server(text: str) -> Do53Nameserver:
    """An address with or without a port: ``192.0.2.1:5353``. Raises: ValueError."""
    address, port = text, str(_PORT)
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        address, port = text.split(":")
    return Do53Nameserver(str(ip_address(address)), int(port))
