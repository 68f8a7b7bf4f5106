"""What a process says of its descriptors, and how many sessions it then takes in."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from types import SimpleNamespace

import pytest

from api.listening.capacity import advice_on
from api.listening.guard import Guard, Seat

_LITTLE = """
import resource
from hourpost.logging import configure_logging
from hourpost.settings import Settings
from api.listening.capacity import allow_many_sessions
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
configure_logging(Settings(_env_file=None), "smtp")
allow_many_sessions(5000)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_descriptors_are_raised_as_far_as_may_be_and_it_is_said_where_that_is_not_enough() -> None:
    done = subprocess.run([sys.executable, "-c", _LITTLE], capture_output=True, text=True, timeout=60, check=True)
    said = done.stdout + done.stderr
    assert "300" in done.stdout.split()
    assert all(word in said for word in ("fitting=100", "wanted=5000", "ulimit -n", "LimitNOFILE"))


def test_sessions_leave_descriptors_for_what_serves_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (230, 230))
    guard = Guard(SimpleNamespace(connections=5000, connections_per_network=1500, strangers_per_network=200))
    seats = [one for _ in range(200) if (one := _known(guard, "192.0.2.1")) is not None]
    assert len(seats) == 30
    guard.leave(seats[0])
    guard.leave(seats[0])
    assert [_known(guard, "192.0.2.2") is not None for _ in range(2)] == [True, False]


def _known(guard: Guard, address: str) -> Seat | None:
    seat = guard.enter(address, "")
    if seat is not None:
        guard.know(seat)
    return seat


class _Silent:
    """Somebody who says nothing, or who is in the middle of something."""

    def __init__(self, *, is_waited_for: bool = True) -> None:
        self.is_waited_for = is_waited_for
        self.gave_way = 0

    def give_way(self) -> None:
        self.gave_way += 1


def _strange(guard: Guard, address: str, purpose: str, visitor: _Silent) -> bool:
    seat = guard.enter(address, purpose)
    if seat is not None:
        seat.visitor = visitor
    return seat is not None


@pytest.mark.parametrize(
    ("addresses", "taken"),
    [
        (["192.0.2.1"] * 5, 3),
        ([f"192.0.2.{number}" for number in range(5)], 5),
        ([f"2001:db8:1:2::{number:x}" for number in range(5)], 3),
        ([f"2001:db8:1:{number:x}::1" for number in range(5)], 5),
        (["::ffff:192.0.2.1", "192.0.2.1"] * 3, 3),
        ([f"192.0.2.{number}" for number in range(30)], 10),
    ],
    ids=["one address", "many", "a /64", "many of them", "IPv4 in IPv6", "half the door"],
)
def test_strangers_have_a_small_share_of_a_network_and_of_the_door(addresses: list[str], taken: int) -> None:
    guard = Guard(SimpleNamespace(connections=20, connections_per_network=10, strangers_per_network=3))
    busy = _Silent(is_waited_for=False)
    assert sum(_strange(guard, address, "inbound", busy) for address in addresses) == taken
    assert sum(_strange(guard, address, "submission", busy) for address in addresses) == taken
    assert guard.connections == 2 * taken


def test_who_has_logged_in_is_no_stranger() -> None:
    guard = Guard(SimpleNamespace(connections=20, connections_per_network=10, strangers_per_network=3))
    assert sum(_known(guard, "192.0.2.1") is not None for _ in range(20)) == 10


def test_the_oldest_silent_makes_room_and_nobody_who_is_in_the_middle_of_something() -> None:
    guard = Guard(SimpleNamespace(connections=20, connections_per_network=10, strangers_per_network=3))
    busy, old, young, newcomer = _Silent(is_waited_for=False), _Silent(), _Silent(), _Silent()
    assert all(_strange(guard, "192.0.2.1", "inbound", one) for one in (busy, old, young, newcomer))
    assert [one.gave_way for one in (busy, old, young, newcomer)] == [0, 1, 0, 0]
    assert guard.connections == 3


def test_advice_is_given_on_what_it_helps_against() -> None:
    assert "ulimit" in (advice_on(OSError(errno.EMFILE, "")) or "")
    assert advice_on(OSError(errno.ECONNABORTED, "")) is None
