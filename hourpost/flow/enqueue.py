"""Enqueue: tell the workers which emails have been released; harmless when it fails, the sweep finds the rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from uuid import UUID


class Enqueue(Protocol):
    """Rings the bell."""

    async def start(self) -> None:
        """Begin to publish."""

    async def stop(self) -> None:
        """Publish what is left, for a moment at most."""

    def ring(self, email_ids: Iterable[UUID]) -> None:
        """Tell that deliveries of these emails are due; returns at once and never raises."""
