"""The way out of a session: answers in large writes, at the pace of the client, deflated where it asked for that."""

from __future__ import annotations

import asyncio
import zlib

_PUSH_BYTES = 64 * 1024
_LARGE_PIECE_BYTES = 2048
_DEFLATE_MEMORY = (
    6  # 32 KiB of hash table and window of 16 KiB: 5,000 phones cost 0.4 GB less than with zlib's 8 and 15
)
_DEFLATE_WINDOW = -14


class ClientGone(Exception):
    """The client has left, or takes nothing any more."""


class Outlet:
    """Collects what a command writes. ``push`` hands it to the transport; ``drain`` waits while the client is slow."""

    __slots__ = ("_deflate", "_is_clear", "_resumed", "_transport", "_waiting", "_waiting_bytes")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._is_clear = False
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._deflate: zlib._Compress | None = None
        self._resumed: asyncio.Event | None = None  # set when a clogged transport flows again

    def attach(self, transport: asyncio.Transport | None) -> None:
        """Write to this transport from now on; None when there is none any more."""
        self._transport = transport
        self._is_clear = transport is not None and transport.get_extra_info("sslcontext") is None
        if transport is None:
            self._waiting.clear()
            self.resume()

    def write(self, data: bytes) -> None:
        """Write, sooner or later."""
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    def push(self) -> None:
        """Hand over all that was written."""
        if not self._waiting:
            return
        waiting, size_bytes = self._waiting, self._waiting_bytes
        self._waiting, self._waiting_bytes = [], 0
        if self._is_clear and self._deflate is None and size_bytes > _LARGE_PIECE_BYTES * len(waiting):
            # The system gathers them; under TLS each would be a record
            if self._transport is not None and not self._transport.is_closing():
                self._transport.writelines(waiting)
            return
        data = b"".join(waiting) if len(waiting) > 1 else waiting[0]
        if self._deflate is not None:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    @property
    def is_full(self) -> bool:
        """Whether there is enough for a write."""
        return self._waiting_bytes >= _PUSH_BYTES

    async def drain(self) -> None:
        """Hand over what is worth a write, and wait while the client does not read. Raises: ClientGone."""
        if self._waiting_bytes < _PUSH_BYTES:
            return
        self.push()
        if self._resumed is not None:
            await self._resumed.wait()
        if self._transport is None or self._transport.is_closing():
            raise ClientGone

    def deflate(self) -> None:
        """Compress all that is written from now on (RFC 4978)."""
        self.push()
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, _DEFLATE_WINDOW, _DEFLATE_MEMORY)

    @property
    def is_deflated(self) -> bool:
        """Whether it compresses."""
        return self._deflate is not None

    @property
    def is_clogged(self) -> bool:
        """Whether the client does not read what was written."""
        return self._resumed is not None

    def clog(self) -> None:
        """The transport holds enough."""
        if self._resumed is None:
            self._resumed = asyncio.Event()

    def resume(self) -> None:
        """The transport has room again."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None


class Inflation:
    """What comes in compressed, given out in bounded pieces, so that a small packet cannot fill the memory."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(-15)

    def feed(self, data: bytes, most_bytes: int) -> bytes:
        """At most so many bytes of what is in ``data`` and what was left before. Raises: zlib.error."""
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, most_bytes)

    @property
    def has_more(self) -> bool:
        """Whether more would come without any new data."""
        return bool(self._inflate.unconsumed_tail)
