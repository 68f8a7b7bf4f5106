"""The connections of the web part: how long one may take to say what it wants, and how many an address may keep silent.

uvicorn has a time for the pause between two requests alone.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hourpost.rules.networks import network_of

HEAD_SECONDS = 20.0
"""From the connection, or the first byte of a further request, to the end of its head."""
BODY_SECONDS = 900.0
"""From the head of a request to the end of its body; the largest, of 58 MB, comes in it at half a Mbit/s."""
REST_SECONDS = 300.0
"""For the rest of a body whose request is answered already: many clients read nothing before they have sent it all."""
MOST_SILENT = 200
_GRACE_SECONDS = 2.0  # many may come at once, from a proxy too, and none of them has been listened to yet


class Silent:
    """Those that have not asked for anything yet, by address, of IPv6 by network; the oldest go where there are many.

    A proxy's connections are not among them: it makes one when it has something to ask.
    """

    def __init__(self) -> None:
        self._since: dict[str, dict[Connection, float]] = {}

    def enter(self, connection: Connection, network: str, now: float) -> None:
        """One has come, and another may have to go for it."""
        those = self._since.setdefault(network, {})
        those[connection] = now
        if len(those) > MOST_SILENT:
            oldest, since = next(iter(those.items()))
            if now - since > _GRACE_SECONDS:
                self.leave(oldest, network)
                oldest.transport.abort()

    def leave(self, connection: Connection, network: str) -> None:
        """One has asked for something, or is gone."""
        those = self._since.get(network)
        if those is not None and those.pop(connection, None) is not None and not those:
            del self._since[network]


class Connection(HttpToolsProtocol):
    """One, which is closed where the head of a request, or its body, takes too long."""

    silent = Silent()
    _network = ""
    _head: asyncio.TimerHandle | None = None
    _body: asyncio.TimerHandle | None = None
    _is_whole = True  # the message that came last

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """It begins, and something should be asked soon."""
        super().connection_made(transport)
        self._await(HEAD_SECONDS)
        if self.client:
            self._network = network_of(self.client[0])
            self.silent.enter(self, self._network, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._has_head()
        self._has_body()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes: the first of a further request, of a body or of an answered one's rest begin its time."""
        super().data_received(data)
        if self._head is None and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            cycle: Any = self.cycle
            if cycle is None or cycle.response_complete:
                self._await(HEAD_SECONDS if self._is_whole else REST_SECONDS)
            elif self._body is None and not self._is_whole:
                self._body = self.loop.call_later(BODY_SECONDS, self._give_up)

    def on_headers_complete(self) -> None:
        """The head of a request is whole."""
        if self._head is not None:
            self._has_head()
        self._is_whole = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole, with its body; if that was answered before, the time of its rest ends."""
        self._is_whole = True
        if self._head is not None:
            self._has_head()
        if self._body is not None:
            self._has_body()
        super().on_message_complete()

    def _await(self, seconds: float) -> None:
        """What should come now has so much time."""
        self._head = self.loop.call_later(seconds, self._give_up)

    def _has_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
        if self._network:
            self.silent.leave(self, self._network)
            self._network = ""

    def _has_body(self) -> None:
        if self._body is not None:
            self._body.cancel()
            self._body = None

    def _give_up(self) -> None:
        self._head = None
        self.transport.abort()
