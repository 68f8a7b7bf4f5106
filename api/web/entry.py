"""Where the web process begins: the settings are read and the real parts put together, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

import migrations
from api.web.app import build_app
from api.web.parts import Parts
from hourpost.assembly import build_parts
from hourpost.gateways.dns import ResolverDns
from hourpost.gateways.encryption import Cipher
from hourpost.settings import Settings, load_settings


def create_app() -> FastAPI:
    """The application of this process, on the servers that the settings name. Called by uvicorn."""
    return create_app_of(load_settings())


def create_app_of(settings: Settings) -> FastAPI:
    """The application on the servers that ``settings`` name; its lifespan opens and closes them."""
    core = build_parts(settings, "hourpost web")
    parts = Parts(
        settings=settings,
        database=core.database,
        standings=core.standings,
        intake=core.intake,
        hour=core.hour,
        clock=core.clock,
        dns=ResolverDns(settings.dns_servers),
        cipher=Cipher.from_settings(settings),
        revision=newest_revision(),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await core.start()
        try:
            yield
        finally:
            await core.stop()

    return build_app(settings, parts, lifespan)


def newest_revision() -> str:
    """The newest migration, by the numbers that their files begin with; Alembic would cost 14 MB for that."""
    files = Path(migrations.__file__).parent.glob("versions/[0-9]*.py")
    return max(file.name.partition("_")[0] for file in files)
