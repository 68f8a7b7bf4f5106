"""What one process has of the flow, on a clock that only the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field

from hourpost.database import Database
from hourpost.flow.accept import Intake
from hourpost.flow.release import Releaser
from hourpost.gateways.hour import Hour
from tests.fakes.bell import Bell
from tests.fakes.clock import FakeClock


class Moment(FakeClock):
    """One time for the doors and for Redis, which wants microseconds."""

    def __call__(self) -> int:
        return round(self.moment.timestamp() * 1000) * 1000


@dataclass
class Office:
    """An intake and a releaser."""

    database: Database
    hour: Hour
    clock: Moment
    bell: Bell = field(default_factory=Bell)

    def __post_init__(self) -> None:
        self.intake = Intake(self.database, self.hour, self.bell, self.clock)
        self.releaser = Releaser(self.database, self.hour, self.bell, self.clock)
