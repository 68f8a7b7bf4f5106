"""Hints: Celery tasks that say where to look, published by name off the request's path.

A lost, doubled or late hint changes latency and nothing else, so every failure ends here, counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import structlog
from celery import Celery

from hourpost.gateways.metrics import HINTS

TASK = "hourpost.deliver"
BILLING_TASK = "hourpost.billing"
QUEUE = "deliver"
IDS_IN_A_HINT = 500
# After each hint: a door publishes twenty a second and no more. After one of many it waits for longer, since each wakes
# the workers, and fewer and larger claims leave more of the processors to those who accept.
_GATHER_SECONDS, _GATHER_LONG_SECONDS = 0.05, 0.15
_MANY_IDS = 16
_WAITING_IDS = 50_000

log = structlog.get_logger()


def transport_options() -> dict[str, Any]:
    """How Celery talks to Redis: bounded waits, dead connections noticed."""
    return {
        "socket_timeout": 4,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "max_retries": 1,
        "visibility_timeout": 3600,
    }


def celery_app(broker_url: str) -> Celery:
    """The Celery app of producers and workers: early ack, no prefetch, no results, no retries."""
    app = Celery("hourpost", broker=broker_url, set_as_current=False)
    app.conf.update(
        broker_transport_options=transport_options(),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,  # a Redis that cannot write, its disk being full, is one that is away
        broker_pool_limit=1,
        task_acks_late=False,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        task_send_sent_event=False,
        enable_utc=True,
    )
    return app


class CeleryHints:
    """Publishes hints from one thread; what gathers while one is being published goes into the next together."""

    def __init__(self, broker_url: str) -> None:
        self._app = celery_app(broker_url)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hints")
        self._ids: deque[UUID] = deque(maxlen=_WAITING_IDS)
        self._rings_billing = False
        self._publishing: asyncio.Task[None] | None = None
        self.failures = 0

    async def start(self) -> None:
        """Begin to publish."""

    async def stop(self) -> None:
        """Publish what is left, for five seconds at most."""
        if self._publishing is not None:
            await asyncio.wait([self._publishing], timeout=5)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def ring(self, email_ids: Iterable[UUID]) -> None:
        """Tell that deliveries of these emails are due."""
        self._ids.extend(email_ids)
        self._launch()

    def ring_billing(self) -> None:
        """Tell that something of billing is due."""
        self._rings_billing = True
        self._launch()

    def _launch(self) -> None:
        if (self._ids or self._rings_billing) and (self._publishing is None or self._publishing.done()):
            self._publishing = asyncio.create_task(self._publish())

    async def _publish(self) -> None:
        while self._ids or self._rings_billing:
            if self._rings_billing:
                self._rings_billing = False
                await self._try(BILLING_TASK, [])
            ids = [self._ids.popleft().hex for _ in range(min(len(self._ids), IDS_IN_A_HINT))]
            if ids:
                await self._try(TASK, [ids])
            await asyncio.sleep(gather_seconds(len(ids)))

    async def _try(self, task: str, arguments: list[Any]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._send, task, arguments)
            HINTS.labels("published").inc()
        except Exception as error:  # whatever the broker's client raises: the sweep finds the rows
            self.failures += 1
            HINTS.labels("failed").inc()
            log.warning("a hint was not published", task=task, error=repr(error))

    def _send(self, task: str, arguments: list[Any]) -> None:
        self._app.send_task(task, args=arguments, queue=QUEUE, retry=False, ignore_result=True)


def gather_seconds(ids: int) -> float:
    """How long others are waited for after a hint of so many: after a full one there are more, and they go soon."""
    return _GATHER_LONG_SECONDS if _MANY_IDS <= ids < IDS_IN_A_HINT else _GATHER_SECONDS
