"""How long a client is waited for that reads slowly, or not at all."""

from __future__ import annotations


class Patience:
    """Lasts as long as the client takes anything: a large message over a thin line is no reason to hang up."""

    __slots__ = ("_left_bytes", "_since")

    def __init__(self) -> None:
        self._left_bytes = 0
        self._since = 0.0

    def begin(self, now: float, left_bytes: int) -> None:
        """The transport holds so much that nothing more is written for the moment."""
        self._since, self._left_bytes = now, left_bytes

    def is_over(self, now: float, left_bytes: int, seconds: float) -> bool:
        """Whether the client has taken nothing for so long, with so much left; to be asked now and then."""
        if left_bytes < self._left_bytes:
            self._since = now
        self._left_bytes = left_bytes
        return now - self._since > seconds
