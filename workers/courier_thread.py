"""The courier's own thread and event loop in a worker process; Celery's thread only hands it hints."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
import uvloop

from hourpost.flow.deliver import Courier
from workers.errand import Errand

log = structlog.get_logger()


class CourierThread:
    """Runs a courier from ``start`` to ``stop``. ``build`` makes it on its loop; ``on_death`` is told if it ends."""

    def __init__(self, build: Callable[[], Coroutine[Any, Any, Running]], on_death: Callable[[], None]) -> None:
        self._build = build
        self._on_death = on_death
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: Running | None = None
        self._ready = threading.Event()
        self.has_died = False

    def start(self, timeout_seconds: float = 30.0) -> None:
        """Start, and wait until the courier looks for work. Raises: TimeoutError."""
        self._thread.start()
        if not self._ready.wait(timeout_seconds):
            raise TimeoutError("the courier did not start")

    def hint(self, email_ids: list[str]) -> None:
        """Tell the courier where to look first; from any thread."""
        if self._running is not None:
            self._call(self._running.courier.hint, [UUID(hex=one) for one in email_ids])

    def ring_billing(self) -> None:
        """Tell that something of billing is due; from any thread."""
        if self._running is not None and self._running.billing is not None:
            self._call(self._running.billing.ring)

    def stop(self, timeout_seconds: float) -> None:
        """Claim nothing more, let what is in hand end, and wait for it; nothing where the courier has died."""
        if self._running is not None:
            self._call(self._running.courier.stop)
        self._thread.join(timeout_seconds)

    def _call(self, act: Callable[..., None], *arguments: object) -> None:
        """Do it on the courier's loop, unless that has ended."""
        assert self._loop is not None  # which is there before what runs on it
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(act, *arguments)

    def _run(self) -> None:
        try:
            uvloop.run(self._main())
        except Exception:  # the outermost loop of the thread: the process must not stay behind without its courier
            log.exception("the courier died")
            self.has_died = True
            self._on_death()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running = await self._build()
        self._ready.set()
        try:
            await self._running.courier.run()
        finally:
            await self._running.close()


class Running:
    """A courier and what must be closed after it; ``billing`` runs beside it where there is something to pay."""

    def __init__(
        self, courier: Courier, close: Callable[[], Coroutine[Any, Any, None]], billing: Errand | None = None
    ) -> None:
        self.courier = courier
        self.close = close
        self.billing = billing
