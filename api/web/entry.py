"""Where the web process begins: the settings are read and the real parts put together, once."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from api.listening.capacity import allow_many_descriptors
from api.web.app import build_app
from api.web.connections import Connection
from api.web.parts import Parts
from hourpost.assembly import build_parts, redis_url
from hourpost.billing.till import Till, plan_url
from hourpost.flow.postman import Postman
from hourpost.gateways.dns import ResolverDns
from hourpost.gateways.encryption import Cipher
from hourpost.gateways.optional_redis import OptionalRedis
from hourpost.gateways.stripe import open_stripe
from hourpost.settings import Settings
from migrations.revision import newest_file_revision

_IDLE_SECONDS = 75  # longer than the proxies in front of us keep theirs
_LAST_SECONDS = 20
_CONNECTIONS = 2000  # more than proxies keep open


def run(settings: Settings, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; then requests under way may end. Calls ``ready`` when it listens."""
    allow_many_descriptors(_CONNECTIONS)
    app = create_app_of(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.http_port,
        loop="uvloop",
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )
    _Server(config, ready, app.state.parts).run()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], parts: Parts) -> None:
        super().__init__(config)
        self._ready = ready
        self._parts = parts

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signal that asks us to end is not raised again when we have: a clean stop would look like a death."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._parts.ending.set()
        await super().shutdown(sockets)


def create_app_of(settings: Settings) -> FastAPI:
    """The application on the servers that ``settings`` name; its lifespan opens and closes them."""
    core = build_parts(settings, "hourpost web")
    stripe = open_stripe(settings)
    parts = Parts(
        settings=settings,
        database=core.database,
        standings=core.standings,
        intake=core.intake,
        hour=core.hour,
        clock=core.clock,
        dns=ResolverDns(settings.dns_servers),
        cipher=Cipher.from_settings(settings),
        attempts=core.attempts,
        mail=core.mail,
        logins=core.logins,
        ring_billing=core.hints.ring_billing,
        till=Till(core.database, stripe, core.clock, plan_url(settings)) if stripe else None,
        postman=Postman(core.database, core.intake, core.clock, settings.own_sender),
        revision=newest_file_revision(),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await core.start()
        app.state.rate.share(OptionalRedis(redis_url(settings)))
        try:
            yield
        finally:
            await parts.afterwards.stop()
            await app.state.rate.stop()
            if stripe is not None:
                await stripe.aclose()
            await core.stop()

    return build_app(settings, parts, lifespan)
