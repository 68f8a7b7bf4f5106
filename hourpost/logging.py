"""Logs: structlog over standard logging, for people or as JSON; what looks like a secret is never written."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from hourpost.settings import Settings

_SECRET_NAMES = re.compile(r"password|secret|token|authorization|api_key", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"hp_(?:live|test|smtp)_\w+|whsec_\S+|(?<=://)[^/@\s]*:[^/@\s]+(?=@)")

Event = MutableMapping[str, Any]


def configure_logging(settings: Settings, part: str) -> None:
    """Set up the logs of a process; ``part`` is in every line of JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _hide_secrets,
    ]
    if settings.log_format == "json":
        renderer: Any = structlog.processors.JSONRenderer()
        shared.insert(0, _named(part))
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)
    level = logging.getLevelName(settings.log_level.upper())
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[_drop_meta, renderer], foreign_pre_chain=shared)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def _named(part: str) -> Any:
    def add(_: Any, __: str, event: Event) -> Event:
        event["part"] = part
        return event

    return add


def _drop_meta(_: Any, __: str, event: Event) -> Event:
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    return event


def _hide_secrets(_: Any, __: str, event: Event) -> Event:
    for name, value in event.items():
        if _SECRET_NAMES.search(name):
            event[name] = "****"
        elif isinstance(value, str):
            event[name] = _SECRET_TEXT.sub("****", value)
    return event
