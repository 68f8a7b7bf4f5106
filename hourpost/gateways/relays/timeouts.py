"""How long we wait for a relay at each step (RFC 5321 §4.5.3.2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """All in seconds. The defaults are the RFC's; ``connect`` and ``tls`` are ours, it names none.

    ``reused`` is for the envelope on a connection that has lain idle: a dead one is noticed sooner, and a living one
    loses nothing, as the message is sent again over a fresh connection with the full ``command``.
    """

    connect: float = 30.0
    tls: float = 30.0
    banner: float = 300.0
    command: float = 300.0
    reused: float = 60.0
    data: float = 120.0
    body: float = 180.0
    dot: float = 600.0
