"""Whether this process lives, whether it can work, and what it has counted."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.web.answers import Json
from api.web.dependencies import ThePartsOf
from api.web.parts import Parts
from api.web.v1 import account_shapes
from api.web.v1.documented import route
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.hour import HourRefused
from hourpost.rules.ids import new_id
from migrations.revision import is_newer

router = APIRouter(tags=["health"])

_CHECK_SECONDS = 3.0
_VERSION = text("SELECT version_num FROM alembic_version")


@router.get("/healthz", **route("get_health", account_shapes.HealthShape))
async def get_health() -> Response:
    """Answer as long as the process is alive."""
    return Json({"status": "alive"})


@router.get("/readyz", **route("get_readiness", account_shapes.ReadinessShape))
async def get_readiness(parts: ThePartsOf) -> Response:
    """Check what is needed to accept emails: the database with its migrations, and Redis.

    While Redis alone is away, or full, this is 503 although emails are still accepted, and held.
    """
    checks = dict(zip(("database", "redis"), await asyncio.gather(_database(parts), _redis(parts)), strict=True))
    wrong = [f"{name}: {words}" for name, words in checks.items() if words != "ok"]
    if wrong:
        raise ServiceUnavailable(f"Not ready; {', '.join(wrong)}.", retry_after_seconds=1)
    return Json({"status": "ready", "checks": checks})


@router.get("/metrics", operation_id="get_metrics", include_in_schema=False)
async def get_metrics() -> Response:
    """Count for Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _database(parts: Parts) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS), parts.database.reading() as connection:
            found = (await connection.execute(_VERSION)).scalar_one_or_none()
    except (ServiceUnavailable, TimeoutError):
        return "not reachable"
    except DBAPIError:
        return "not migrated"
    is_enough = found == parts.revision or is_newer(found, parts.revision)  # older parts work beside newer ones
    return "ok" if is_enough else "not migrated"


async def _redis(parts: Parts) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await parts.hour.peek(new_id(), 1)
    except HourRefused as error:
        return f"takes nothing: {error.cause}"
    except (ServiceUnavailable, TimeoutError):
        return "not reachable"
    return "ok"
