"""Whether the ports of the doors can be opened, asked before anything starts."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from hourpost.settings import Settings

DOORS = ("http", "smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s")
"""Each has a setting of its name and ``_port``."""


_METERED = ("worker", "smtp", "imap", "pop3")  # the parts that `hourpost up` starts and that have no HTTP of their own


def metrics_ports(settings: Settings) -> dict[str, int]:
    """Where each part of `hourpost up` serves Prometheus: ``metrics_port`` and those after it; empty without it."""
    parts = (*_METERED, *(f"worker-{number}" for number in range(2, settings.workers + 1)))
    return {part: settings.metrics_port + number for number, part in enumerate(parts)} if settings.metrics_port else {}


def metrics_port_of(settings: Settings, part: str) -> int:
    """The port of one part: its own beside the others of `hourpost up`, else the one that is set; 0 for none."""
    return metrics_ports(settings).get(part, 0) if settings.embedded else settings.metrics_port


def closed_ports(settings: Settings, doors: Sequence[str] = DOORS) -> list[str]:
    """Each of these doors' ports that cannot be opened, with the setting that names it and the reason, for people."""
    faults = []
    taken: dict[int, str] = {}
    for door in doors:
        port, name = getattr(settings, f"{door}_port"), f"HOURPOST_{door.upper()}_PORT"
        reason = _reason(settings.host, port) or (f"it is {taken[port]} too" if port in taken else "")
        if reason:
            faults.append(f"{settings.host}:{port} ({name}): {reason}")
        if port:  # of 0 each gets one of its own
            taken[port] = name
    return faults


def closed_metrics_ports(settings: Settings) -> list[str]:
    """The same of where the parts of `hourpost up` serve Prometheus."""
    faults = []
    for part, port in metrics_ports(settings).items():
        reason = _reason(settings.host, port)
        if reason:
            faults.append(f"{settings.host}:{port} (HOURPOST_METRICS_PORT, of {part}): {reason}")
    return faults


def _reason(host: str, port: int) -> str:
    """Why nothing can listen there; empty when something can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(1)  # with SO_REUSEADDR this, not bind, may be what finds it taken
    except OverflowError:
        return "ports end at 65535"
    except OSError as error:
        return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return ""
