"""The connections to one relay: opened on demand and in parallel, kept while they are used, closed when idle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hourpost.gateways.relays.connection import RelayConnection
from hourpost.gateways.relays.dialing import Dialer
from hourpost.gateways.relays.exchange import Surroundings
from hourpost.gateways.relays.login import LoginFailed, log_in, tls_context
from hourpost.gateways.relays.spec import RelaySpec

CONNECTING_AT_ONCE = 32
CONNECTING_UNPROVEN = 4
"""How many log-ins at once to a relay with which no connection is open: it may be down."""
SILENT_SECONDS = 3.0
"""A relay that has let every log-in wait for so long is given nothing that another one can take."""
PROBE_SECONDS = 60.0
"""How often one log-in more is begun beside those that hang, which have minutes: the relay may have been healed."""
CEILING_SECONDS = 30.0
"""How long we live with fewer connections where the relay refused one more."""


class Supply:
    """Logged-in connections of one relay.

    ``on_ready`` gets each new connection, ``on_refused`` each failed log-in, ``on_lost`` is called when a connection
    has ended. Raises: RelayUrlInvalid, where the relay's CA file cannot be read.
    """

    def __init__(self, spec: RelaySpec, around: Surroundings, hostname: str) -> None:
        self.on_ready: Callable[[RelayConnection], None] = lambda _: None
        self.on_refused: Callable[[LoginFailed], None] = lambda _: None
        self.on_lost: Callable[[], None] = lambda: None
        self.idle: list[RelayConnection] = []
        self.live: set[RelayConnection] = set()
        self.ceiling = spec.connections
        self._spec = spec
        self._around = around
        self._hostname = hostname
        self._context = tls_context(spec)
        self._dialer = Dialer(spec.host, spec.port)
        self._ceiling_until = 0.0
        self._connecting: dict[asyncio.Task[None], float] = {}  # since when

    @property
    def connecting(self) -> int:
        """How many log-ins are under way."""
        return len(self._connecting)

    @property
    def busy(self) -> int:
        """How many connections are not idle."""
        return len(self.live) - len(self.idle)

    def has_others(self, connection: RelayConnection) -> bool:
        """Whether the relay holds another connection than this one open."""
        return any(one is not connection for one in self.live)

    def silent_seconds(self, now: float) -> float:
        """For how long a relay with which no connection is open has been asked for one; 0 where none is asked for."""
        return 0.0 if self.live or not self._connecting else now - min(self._connecting.values())

    def grow(self, demand: int, most: int) -> None:
        """Begins as many log-ins as ``demand`` messages want, up to ``most`` connections in all."""
        at_once = CONNECTING_AT_ONCE if self.live else CONNECTING_UNPROVEN
        wanted = min(demand, at_once, min(most, self.ceiling) - len(self.live))
        for _ in range(wanted - len(self._connecting)):
            self._begin()

    async def log_in(self) -> RelayConnection:
        """A connection of its own, for a check. Raises: LoginFailed."""
        return await log_in(
            self._spec,
            self._context,
            hostname=self._hostname,
            timeouts=self._around.timeouts,
            dialer=self._dialer,
        )

    def keep(self, connection: RelayConnection) -> None:
        """Keeps a connection that nobody needs now; the one used last is used first."""
        connection.idle_since = self._around.clock()
        self.idle.append(connection)

    def close_idle(self, *, since: float = float("inf")) -> None:
        """Says good-bye on what has been idle since before ``since``."""
        for connection in [idle for idle in self.idle if idle.idle_since < since]:
            connection.quit()

    def lower_ceiling(self) -> None:
        """The relay takes no more connections than it has: stop asking for a while."""
        self.ceiling = max(1, len(self.live))
        self._ceiling_until = self._around.clock() + CEILING_SECONDS

    def review(self, now: float) -> None:
        """Asks for all connections again when it is time, and once more a relay that has been silent for long."""
        if now >= self._ceiling_until:
            self.ceiling = self._spec.connections
        if self._connecting and not self.live and now - max(self._connecting.values()) >= PROBE_SECONDS:
            self._begin()

    def stop(self) -> None:
        """Ends log-ins and idle connections."""
        for task in self._connecting:
            task.cancel()
        self.close_idle()

    def abort(self) -> None:
        """Ends every connection at once; what has no final dot yet will not arrive."""
        for connection in list(self.live):
            connection.fail("closed by us")

    def _begin(self) -> None:
        task = asyncio.get_running_loop().create_task(self._open())
        self._connecting[task] = self._around.clock()

    async def _open(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        began_at = self._around.clock()
        try:
            connection = await self.log_in()
        except LoginFailed as error:
            self._connecting.pop(task, None)
            self.on_refused(error)
            return
        finally:
            self._connecting.pop(task, None)
        for other, since in self._connecting.items():
            if began_at - since >= PROBE_SECONDS:  # it hangs in a past that is over
                other.cancel()
        connection.on_failure = self._lost
        self.live.add(connection)
        self.on_ready(connection)

    def _lost(self, connection: RelayConnection) -> None:
        self.live.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        self.on_lost()
