"""One door for all tests of the folder, and doors with limits of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Network

import pytest

from api.smtp.limits import Limits
from hourpost.gateways.throttle import Growth, LocalThrottle, LoginThrottle
from tests.api.smtp.dialog import Client
from tests.api.smtp.running import RunningDoor
from tests.fixtures.certificates import Certificate, self_signed

FAST = {"goodbye_seconds": 0.2}
FORGETFUL = Growth(first_seconds=0.01, longest_seconds=0.02, forget_seconds=0.05)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")


@pytest.fixture(scope="session")
def _door(certificate: Certificate) -> Iterator[RunningDoor]:
    running = RunningDoor(certificate, Limits(**FAST), LocalThrottle(FORGETFUL))
    yield running
    running.stop()


@pytest.fixture
def door(_door: RunningDoor) -> RunningDoor:
    _door.intake.reset()
    _door.standings.reset()
    _door.mailroom.reset()
    return _door


@pytest.fixture
def new_door(certificate: Certificate) -> Iterator[Callable[..., RunningDoor]]:
    """Opens doors with other limits."""
    opened: list[RunningDoor] = []

    def open_door(
        *, throttle: LoginThrottle | None = None, proxies: Sequence[IPv4Network] = (), **changes: float
    ) -> RunningDoor:
        limits = Limits(**{**FAST, "drain_seconds": 1.0, **changes})
        throttle = throttle or LocalThrottle(FORGETFUL)
        opened.append(RunningDoor(certificate, limits, throttle, tick_seconds=0.02, proxies=proxies))
        return opened[-1]

    yield open_door
    for running in opened:
        running.stop()


@pytest.fixture
def client(door: RunningDoor) -> Iterator[Client]:
    """Logged in under TLS."""
    with Client(door, "submissions") as found:
        found.log_in()
        yield found
