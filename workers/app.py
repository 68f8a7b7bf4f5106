"""The worker process: a Celery worker of one thread that hears hints, and the courier that acts on them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable

from celery import Celery
from celery.apps.worker import install_worker_term_handler
from celery.signals import worker_ready

from hourpost.assembly import build_keeper, build_parts, redis_url
from hourpost.database import Database
from hourpost.flow.call import Caller
from hourpost.flow.deliver import Courier, Pace
from hourpost.flow.leases import Leases
from hourpost.flow.local import LocalDelivery
from hourpost.flow.relay_news import RelayNews
from hourpost.flow.signing import DkimSigner
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.dns import ResolverDns
from hourpost.gateways.encryption import Cipher
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.gateways.hints import BILLING_TASK, TASK, celery_app
from hourpost.gateways.hour import RedisHour
from hourpost.gateways.outgoing import HttpOutgoing, allowed_networks
from hourpost.gateways.relays import RelayPool, parse_relays
from hourpost.gateways.stripe import open_stripe
from hourpost.mailboxes.store import MailStore
from hourpost.settings import Settings
from workers.billing import build_billing
from workers.chores import build_schedule
from workers.courier_thread import CourierThread, Running

_DRAIN_SECONDS = 22.0  # the courier takes 15 of them at most, and what is beside it some more
_CALLS_SECONDS = 5.0  # what is under way after that has a lease that ends


def build_app(broker_url: str, hint: Callable[[list[str]], None], ring_billing: Callable[[], None]) -> Celery:
    """The Celery app of a worker: its tasks pass on what they are told and end."""
    app = celery_app(broker_url)

    @app.task(name=TASK)  # type: ignore[untyped-decorator]  # Celery has no types
    def deliver(email_ids: list[str]) -> None:
        """Deliveries of these emails are due; a hint, the rows decide."""
        hint(email_ids)

    @app.task(name=BILLING_TASK)  # type: ignore[untyped-decorator]  # Celery has no types
    def look_at_billing() -> None:
        """Webhooks of Stripe's are due, or customers were not looked at for a day; a hint, the rows decide."""
        ring_billing()

    return app


async def build_courier(settings: Settings, database_url: str, cipher: Cipher, *, schedules: bool) -> Running:
    """A courier on the running loop, with its own connections; with ``schedules`` the schedule runs beside it."""
    database = Database(database_url, pool_size=settings.database_pool, application="hourpost worker", plans_once=True)
    pool = RelayPool(parse_relays(settings.relays.get_secret_value()), hostname=settings.hostname)
    name = f"{socket.gethostname()}:{os.getpid()}"
    leases = Leases(database, SystemClock(), name, settings.lease_seconds)
    pace = Pace(
        concurrency=max(settings.worker_concurrency, 2 * pool.capacity),
        sweep_seconds=settings.sweep_seconds,
        renew_seconds=settings.lease_seconds / 4,
        grace_seconds=settings.lease_seconds,
    )
    hour, feed = RedisHour(redis_url(settings)), RedisFolderFeed(redis_url(settings))
    mail = MailStore(database, feed, SystemClock())
    keeper = build_keeper(database, hour, mail, lambda ids: courier.hint(ids))  # noqa: PLW0108  # it is made below
    local = LocalDelivery(database, keeper, SystemClock(), settings.hostname)
    await mail.start()
    courier = Courier(database, pool, DkimSigner(database, cipher), leases, pace, local)
    outgoing = HttpOutgoing(ResolverDns(settings.dns_servers).find_addresses, allowed_networks(settings))
    caller = Caller(database, outgoing, cipher)
    leases.on_calls = caller.ring
    calling = asyncio.create_task(caller.run())
    telling = asyncio.create_task(RelayNews(database, lambda: leases.worker, pool.health).run())

    parts = build_parts(settings, "hourpost scheduler") if schedules else None
    schedule = build_schedule(parts) if parts else None
    ticking = asyncio.create_task(schedule.run()) if schedule else None
    stripe = open_stripe(settings)
    billing = build_billing(settings, database, stripe) if stripe else None

    async def close() -> None:
        if billing and stripe:
            await billing.stop()
            await stripe.aclose()
        if ticking and schedule and parts:
            ticking.cancel()
            await asyncio.wait([ticking])
            await schedule.close()
            await parts.stop()
        caller.stop()
        await asyncio.wait([calling], timeout=_CALLS_SECONDS)
        await outgoing.close()
        await pool.drain(5.0)
        telling.cancel()
        await asyncio.wait([telling])
        await mail.stop()
        await hour.aclose()
        await database.close()

    return Running(courier, close, billing)


def run_worker(
    settings: Settings, urls: tuple[str, str], cipher: Cipher, ready: Callable[[], None], *, schedules: bool = False
) -> None:
    """Run until SIGTERM; what is in hand is then sent or left to its lease. ``urls``: database, broker.

    Raises: SystemExit when the courier has died, which is in the log.
    """
    database_url, broker_url = urls
    courier = CourierThread(
        lambda: build_courier(settings, database_url, cipher, schedules=schedules),
        lambda: os.kill(os.getpid(), signal.SIGTERM),
    )
    app = build_app(broker_url, courier.hint, courier.ring_billing)
    courier.start()
    try:
        worker = app.Worker(
            pool="solo",
            concurrency=1,
            hostname=f"worker-{os.getpid()}@%h",
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )

        def begin(**_: object) -> None:
            # As Celery has done a moment before, but without a plain line in a log that may be JSON
            install_worker_term_handler(worker, verbose=False)
            ready()

        worker_ready.connect(begin, weak=False)
        worker.start()
    finally:
        courier.stop(_DRAIN_SECONDS)
    if courier.has_died:
        raise SystemExit(1)
