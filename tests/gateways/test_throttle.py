"""The throttle: failures make the next log-in wait, on every process, and whether or not Redis is there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from hourpost.gateways.throttle import Growth, LocalThrottle, RedisThrottle, login_keys

QUICK = Growth(first_seconds=0.25, longest_seconds=1.0, forget_seconds=60.0)
ALICE = login_keys("192.0.2.1", "mailbox", "alice@acme.test")
BOB = login_keys("192.0.2.2", "mailbox", "bob@acme.test")
NewThrottle = Callable[..., RedisThrottle]


@pytest_asyncio.fixture
async def new_throttle(fragile_redis) -> AsyncIterator[NewThrottle]:
    """Throttles of several processes on one Redis."""
    made: list[RedisThrottle] = []

    def make(growth: Growth = QUICK) -> RedisThrottle:
        made.append(RedisThrottle(fragile_redis.url, growth))
        return made[-1]

    yield make
    for throttle in made:
        await throttle.aclose()


@pytest.fixture(params=["local", "redis"])
def throttle(request, new_throttle):
    return LocalThrottle(QUICK) if request.param == "local" else new_throttle()


async def test_the_delay_doubles_up_to_its_end(throttle):
    delays = [await throttle.delay(ALICE)]
    for _ in range(4):
        answered_after = await throttle.failed(ALICE)
        delays.append(await throttle.delay(ALICE))
        assert answered_after == delays[-1]
    assert delays == [0, 0.25, 0.5, 1, 1]
    assert await throttle.delay(BOB) == 0


async def test_who_goes_on_with_an_old_password_slows_no_neighbour(throttle):
    for _ in range(20):
        await throttle.failed(ALICE)
    assert await throttle.delay(ALICE) == 1
    assert await throttle.delay(login_keys("192.0.2.1", "mailbox", "carol@acme.test")) == 0
    assert await throttle.delay(login_keys("192.0.2.9", "mailbox", "alice@acme.test")) == 0


async def test_many_names_from_one_address_make_it_wait(throttle):
    for number in range(11):
        assert await throttle.delay(BOB) == 0
        await throttle.failed(login_keys("192.0.2.2", "mailbox", f"guess{number}@acme.test"))
    assert await throttle.delay(BOB) == 0.25
    assert await throttle.failed(BOB) == 0.5


async def test_many_tries_at_one_name_from_anywhere_make_it_wait(throttle):
    for number in range(21):
        assert await throttle.delay(BOB) == 0
        await throttle.failed(login_keys(f"198.51.100.{number}", "mailbox", "bob@acme.test"))
    assert await throttle.delay(BOB) == 0.25


async def test_success_forgets_the_credential_and_not_the_names_of_the_address(throttle):
    for number in range(11):
        await throttle.failed(login_keys("192.0.2.1", "mailbox", f"guess{number}@acme.test"))
    for _ in range(21):
        await throttle.failed(ALICE)
    await throttle.succeeded(ALICE)
    assert await throttle.delay(ALICE) == 0.5
    assert await throttle.delay(login_keys("192.0.2.3", "mailbox", "alice@acme.test")) == 0


async def test_failures_are_forgotten_in_time(new_throttle):
    moment = [0.0]
    local = LocalThrottle(QUICK, lambda: moment[0])
    shared = new_throttle(Growth(first_seconds=0.25, forget_seconds=0.001))
    await local.failed(ALICE)
    await shared.failed(ALICE)
    moment[0] = 61.0
    assert await local.delay(ALICE) == 0
    for _ in range(200):
        if await shared.delay(ALICE) == 0:
            return
    raise AssertionError("Redis remembers it for ever")


async def test_what_one_process_remembers_is_bounded():
    throttle = LocalThrottle()
    for number in range(12_000):
        throttle.add(f"address {number}")
    assert throttle.count("address 0") == 0
    assert throttle.count("address 11999") == 1


async def test_a_failure_on_one_process_is_waited_for_on_the_others(new_throttle):
    here, there = new_throttle(), new_throttle()
    await here.failed(ALICE)
    assert await there.failed(ALICE) == 0.5
    assert await here.delay(ALICE) == 0.5


async def test_without_redis_each_process_counts_by_itself(new_throttle, fragile_redis):
    here, there = new_throttle(), new_throttle()
    await here.failed(ALICE)
    fragile_redis.kill()
    assert await here.failed(ALICE) == 0.5
    assert await here.delay(ALICE) == 0.5
    assert await there.delay(ALICE) == 0


async def test_a_frozen_redis_holds_nobody_up_for_long(new_throttle, fragile_redis):
    throttle = new_throttle()
    await throttle.delay(ALICE)
    fragile_redis.freeze()
    try:
        assert [await throttle.failed(ALICE) for _ in range(20)][:3] == [0.25, 0.5, 1.0]
    finally:
        fragile_redis.thaw()


def test_an_ipv6_address_counts_with_its_network():
    first, second, other = (
        login_keys(address, "smtp", "x") for address in ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1")
    )
    assert first.address == second.address != other.address


def test_keys_tell_neither_name_nor_case():
    upper, lower = login_keys("x", "smtp", " Secret!"), login_keys("x", "smtp", "secret!")
    assert upper == lower
    assert "secret" not in lower.credential
    assert login_keys("x", "mailbox", "secret!") != lower
    assert login_keys("", "smtp", "\udcff").credential  # what was no UTF-8
