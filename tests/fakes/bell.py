"""The bell of the workers, for tests that ask what it was rung for."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID


class Bell:
    """Remembers which emails it was rung for."""

    def __init__(self) -> None:
        self.rung: list[UUID] = []

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    def ring(self, email_ids: Iterable[UUID]) -> None:
        self.rung.extend(email_ids)
