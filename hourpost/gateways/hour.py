"""The hour: how many deliveries an account may still hand over, counted in Redis by ``hour.lua``.

A bucket that is missing, or was counted by a server that has restarted since, is *cold*: it answers ``None`` until
somebody seeds it from PostgreSQL. Moments are microseconds since 1970 on Redis's clock.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from hourpost.gateways.script_link import Call, HourRefused, HourUnavailable, ScriptLink
from hourpost.rules.hour import Schedule, Slot, slots_of
from hourpost.rules.hour_tokens import Answer, Mode, Reading, Refusal, Seed, Take, Taken

__all__ = ["Hour", "HourRefused", "HourUnavailable", "RedisHour"]

_STATE = struct.Struct("<8dI")
"""What every answer of the script begins with; then codes (int32 each), then cells."""
_CELL = struct.Struct("<dI")
_ASKED = struct.Struct("<ddI")
"""What a take asks: limit, backlog, wants (count * 4 + mode each); nearly all have one."""
_CODE = struct.Struct("<i")
_REFUSALS = {-1: Refusal.PLAN, -2: Refusal.BACKLOG, -3: Refusal.UNDONE}
_UNDONE_AT_ONCE = 500
_ACCOUNTS = 32  # in one run of the script, while which Redis does nothing else
_DOUBTS = 20_000


class Hour(Protocol):
    """Counts what each account hands over. Every method raises :class:`HourUnavailable` while Redis is away."""

    async def take(self, take: Take) -> Taken | None:
        """Take tokens of one account; ``None`` where its bucket is cold."""

    async def take_many(self, takes: Sequence[Take]) -> list[Taken | None]:
        """Take tokens of many accounts in one round trip, each by itself."""

    async def undo(self, takes: Sequence[Take]) -> None:
        """Make ``takes`` of the last minute not have been: tokens and queue are as if they had never been asked for."""

    async def refund(self, account: UUID, generation: int, count: int, spent_at_us: int) -> int:
        """Give back tokens spent at ``spent_at_us``, if the bucket is of ``generation``; returns how many were."""

    async def adjust_waiting(self, account: UUID, change: int, generation: int | None = None) -> None:
        """Add ``change`` to the number that waits, unless the bucket is cold or of another ``generation``."""

    async def seed(self, account: UUID, generation: int, spends: Sequence[tuple[int, int]], waiting: int) -> int:
        """Fill one bucket; returns the generation in force."""

    async def seed_many(self, seeds: Sequence[Seed]) -> list[int]:
        """Fill buckets in one round trip; gives the generations in force.

        One that is not cold and is of the seed's generation or a later one stays.
        """

    async def peek(self, account: UUID, limit: int) -> Reading | None:
        """Read the bucket without changing it; ``None`` where it is cold."""


class RedisHour:
    """The hour in Redis. ``clock`` (µs) replaces Redis's own, for tests."""

    def __init__(self, url: str, *, timeout_seconds: float = 0.3, clock: Callable[[], int] | None = None) -> None:
        script = Path(__file__).with_name("hour.lua").read_text()
        self._link = ScriptLink(url, script, timeout_seconds=timeout_seconds)
        self._clock = clock
        self._doubts: dict[str, Sequence[Take]] = {}  # by the key of their memory

    async def take(self, take: Take) -> Taken | None:
        """Take tokens of one account; ``None`` where its bucket is cold."""
        return (await self.take_many([take]))[0]

    async def take_many(self, takes: Sequence[Take]) -> list[Taken | None]:
        """Take tokens of many accounts in one round trip, each by itself.

        A take that is not answered is undone at the next contact, so its tokens are not lost for an hour; unless it is
        asked again before.
        """
        most = await self._accounts_in_a_run()
        runs = [takes[start : start + most] for start in range(0, len(takes), most)]
        for run in runs:
            self._doubts.pop(_memory(run), None)
        doubts = [self._doubts.pop(memory) for memory in list(self._doubts)[:_UNDONE_AT_ONCE]]
        try:
            replies = await self._run([_call("undo", run) for run in doubts] + [_call("take", run) for run in runs])
        except BaseException:
            self._doubt([*doubts, *runs])
            raise
        answered = zip(takes, chain.from_iterable(replies[len(doubts) :]), strict=True)
        return [None if reply is None else _taken(take, reply) for take, reply in answered]

    async def undo(self, takes: Sequence[Take]) -> None:
        """Make ``takes`` of the last minute, each of which was asked by itself, not have been."""
        runs = [[take] for take in takes]
        try:
            await self._run([_call("undo", run) for run in runs])
        except BaseException:
            self._doubt(runs)
            raise

    async def refund(self, account: UUID, generation: int, count: int, spent_at_us: int) -> int:
        """Give back tokens spent at ``spent_at_us``; returns how many were."""
        reply = (await self._run([Call("refund", (_bucket(account),), (generation, count, spent_at_us))]))[0]
        return 0 if reply is None else _given(reply)

    async def adjust_waiting(self, account: UUID, change: int, generation: int | None = None) -> None:
        """Add ``change`` to the number that waits."""
        arguments = (change, "" if generation is None else generation)
        await self._run([Call("adjust", (_bucket(account),), arguments)])

    async def seed(self, account: UUID, generation: int, spends: Sequence[tuple[int, int]], waiting: int) -> int:
        """Fill one bucket; returns the generation in force."""
        return (await self.seed_many([Seed(account, generation, spends, waiting)]))[0]

    async def seed_many(self, seeds: Sequence[Seed]) -> list[int]:
        """Fill buckets in one round trip; gives the generations in force."""
        replies = await self._run([_seed_call(seed) for seed in seeds])
        return [_reading(reply, 1).generation for reply in replies if reply is not None]  # a seed is always answered

    async def peek(self, account: UUID, limit: int) -> Reading | None:
        """Read the bucket without changing it."""
        reply = (await self._run([Call("peek", (_bucket(account),))]))[0]
        return None if reply is None else _reading(reply, limit)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._link.aclose()

    async def _accounts_in_a_run(self) -> int:
        """A cluster has each account's keys in a slot of their own, and one run may see one slot."""
        if self._link.is_cluster is None:
            await self._run([])
        return 1 if self._link.is_cluster else _ACCOUNTS

    async def _run(self, calls: Sequence[Call]) -> list[Any]:
        return await self._link.run(calls, str(self._clock()) if self._clock else "")

    def _doubt(self, runs: Sequence[Sequence[Take]]) -> None:
        self._doubts.update((_memory(run), run) for run in runs)
        for memory in list(self._doubts)[: max(0, len(self._doubts) - _DOUBTS)]:
            del self._doubts[memory]  # their tokens come back in an hour


def _bucket(account: UUID) -> str:
    return f"hour:{{{account.hex}}}"


def _memory(run: Sequence[Take]) -> str:
    """The key under which the answers to these takes, in this order, are remembered."""
    request = hash(tuple([take.request for take in run])) & 0xFFFFFFFFFFFFFFFF
    return f"{_bucket(run[0].account)}:{request:016x}"


def _call(operation: str, run: Sequence[Take]) -> Call:
    keys = [_bucket(take.account) for take in run]
    keys.append(_memory(run))
    return Call(operation, tuple(keys), tuple([_asked(take) for take in run]))


def _asked(take: Take) -> bytes:
    (count, mode), *more = take.wants
    first = _ASKED.pack(take.limit, take.backlog_limit, count * 4 + mode)
    return first + struct.pack(f"<{len(more)}I", *[count * 4 + mode for count, mode in more]) if more else first


def _seed_call(seed: Seed) -> Call:
    slots = slots_of(seed.spends)
    cells = b"".join(_CELL.pack(*slot) for slot in slots)
    return Call("seed", (_bucket(seed.account),), (seed.generation, seed.waiting, sum(s.tokens for s in slots), cells))


def _codes(reply: bytes, size: int) -> tuple[int, ...]:
    if size == _CODE.size:
        return _CODE.unpack_from(reply, _STATE.size)
    return struct.unpack_from(f"<{size // 4}i", reply, _STATE.size)


def _given(reply: bytes) -> int:
    return _codes(reply, _CODE.size)[0]


def _reading(reply: bytes, limit: int, state: tuple[float, ...] | None = None) -> Reading:
    _, _, now_us, generation, used, waiting, oldest, youngest, size = state or _STATE.unpack_from(reply)
    start = _STATE.size + int(size)
    cells = [Slot(int(moment), tokens) for moment, tokens in _CELL.iter_unpack(reply[start:])]
    schedule = Schedule.of(int(now_us), limit, cells)
    return Reading(int(now_us), int(generation), limit, int(used), int(waiting), int(oldest), int(youngest), schedule)


def _taken(take: Take, reply: bytes) -> Taken:
    state = _STATE.unpack_from(reply)
    taken_at_us, waiting, size = int(state[0]), int(state[1]), state[-1]
    answers = tuple(_answers(take, _codes(reply, size), waiting))
    return Taken(take.account, taken_at_us, answers, _reading(reply, take.limit, state))


def _answers(take: Take, codes: Sequence[int], waiting: int) -> Iterator[Answer]:
    for (count, mode), code in zip(take.wants, codes, strict=True):
        if code == count:
            yield Answer(code)
        elif code < 0:
            full = take.backlog_limit if code == -2 else 0
            yield Answer(0, 0, waiting + count - full, _REFUSALS[code])
        elif mode is not Mode.RELEASE:
            yield Answer(code, count - code, waiting + 1)
            waiting += count - code
        else:
            yield Answer(code)
        if mode is Mode.RELEASE:
            waiting = max(0, waiting - code)
