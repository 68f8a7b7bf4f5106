"""What all sessions of the door share."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from api.listening.guard import Guard
from api.smtp.limits import Limits
from api.smtp.readers import Budget
from hourpost.gateways.throttle import LocalThrottle, LoginThrottle


@dataclass(slots=True)
class Door:
    """Its name, its certificate, its limits, and what is counted over all sessions. ``seconds`` never goes back."""

    hostname: str
    tls: ssl.SSLContext | None
    seconds: Callable[[], float]
    limits: Limits = field(default_factory=Limits)
    throttle: LoginThrottle = field(default_factory=LocalThrottle)
    is_draining: bool = False
    guard: Guard = field(init=False)
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.guard = Guard(self.limits)
        self.budget = Budget(self.limits.bytes_in_hand)
