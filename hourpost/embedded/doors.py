"""Whether the ports of the doors can be opened, asked before anything starts."""

from __future__ import annotations

import os
import socket

from hourpost.settings import Settings

_DOORS = ("http", "smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s")


def closed_ports(settings: Settings) -> list[str]:
    """Each door's port that cannot be opened, with the setting that names it and the reason, for people."""
    faults = []
    for door in _DOORS:
        name = f"{door}_port"
        reason = _reason(settings.host, getattr(settings, name))
        if reason:
            faults.append(f"{settings.host}:{getattr(settings, name)} (HOURPOST_{name.upper()}): {reason}")
    return faults


def _reason(host: str, port: int) -> str:
    """Why nothing can listen there; empty when something can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(1)  # with SO_REUSEADDR this, not bind, may be what finds it taken
    except OSError as error:
        return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return ""
