"""Ports of loopback for servers that nobody but us needs to find."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"


def keep_port(memory: Path) -> int:
    """The port of the last time if it is free, else another; remembered in the file ``memory``."""
    with suppress(FileNotFoundError, ValueError, OSError), socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, int(memory.read_text())))
        return int(listener.getsockname()[1])
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port = int(listener.getsockname()[1])
    memory.write_text(f"{port}\n")
    return port
