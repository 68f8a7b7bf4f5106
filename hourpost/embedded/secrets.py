"""Secrets of this installation, made once and kept in files that only their owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_SECRET_BYTES = 32


def read_or_make(path: Path) -> str:
    """The secret in ``path``; a new one of 256 random bits, complete and on disk, when there is no such file."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        write_private(path, secrets.token_urlsafe(_SECRET_BYTES) + "\n")
        return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Put ``text`` into ``path`` with mode 0600, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
