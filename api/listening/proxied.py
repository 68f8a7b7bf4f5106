"""The PROXY protocol, versions 1 and 2: a proxy that passes TCP on says first who is behind it.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt; what else a header says (TLS, names) is left out.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIRST_BYTES = len(_SIGNATURE)  # the least header of version 1 is longer
_MOST_BYTES_V1 = 107
_MOST_BYTES_V2 = 4096
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _TCP4, _TCP6 = 0x00, 0x11, 0x21
_LENGTHS = {_TCP4: 4, _TCP6: 16}


class HeaderInvalid(Exception):
    """What came first is no header of the PROXY protocol."""


class HeaderMissing(HeaderInvalid):
    """Nobody spoke: a probe that only looks whether the port is open."""


async def read_address(connection: socket.socket) -> str | None:
    """The client's address; None where the proxy speaks for itself. Nothing behind the header is read.

    Raises: HeaderInvalid, OSError.
    """
    first = await _read(connection, _FIRST_BYTES)
    if first == _SIGNATURE:
        return await _read_version_2(connection)
    if not first.startswith(b"PROXY "):
        raise HeaderInvalid("the proxy does not say who is behind it")
    line = bytearray(first)
    while not line.endswith(b"\r\n"):
        if len(line) >= _MOST_BYTES_V1:
            raise HeaderInvalid("a line without end")
        line += await _read(connection, 1)
    return _parse_line(bytes(line))


async def _read_version_2(connection: socket.socket) -> str | None:
    command, family, high, low = await _read(connection, 4)
    length = high << 8 | low
    if command not in (_LOCAL, _PROXY) or length > _MOST_BYTES_V2:
        raise HeaderInvalid("a command or a length that nobody knows")
    told = await _read(connection, length)
    if command == _LOCAL or family == _UNSPECIFIED:
        return None
    size = _LENGTHS.get(family)
    if size is None or length < 2 * size + 4:
        raise HeaderInvalid("it is not about TCP, or too short")
    return _plain(ip_address(told[:size]))


def _parse_line(line: bytes) -> str | None:
    words = line[:-2].split(b" ")
    if words[1] == b"UNKNOWN":
        return None
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise HeaderInvalid("a line that cannot be read")
    try:
        address = ip_address(words[2].decode("ascii"))
    except ValueError:
        raise HeaderInvalid("an address that is none") from None
    if address.version != int(words[1][-1:]):
        raise HeaderInvalid("an address of the other kind")
    return _plain(address)


def _plain(address: IPv4Address | IPv6Address) -> str:
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


async def _read(connection: socket.socket, count: int) -> bytes:
    """So many bytes, and not one more."""
    loop, found = asyncio.get_running_loop(), bytearray()
    while len(found) < count:
        piece = await loop.sock_recv(connection, count - len(found))
        if not piece:
            raise HeaderInvalid("the header has no end") if found else HeaderMissing("nothing came")
        found += piece
    return bytes(found)
