"""Searches that go on: for so long, while somebody waits, and one of an account at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from api.web import searching
from api.web.searching import Searches
from hourpost.pages import Cursor, Page
from hourpost.rules.ids import new_id

PLACES = [new_id() for _ in range(9)]


class Rows:
    """What is searched: nothing in the first steps, a row in the last."""

    def __init__(self, steps: int, at_each: Callable[[], Awaitable[None]] | None = None) -> None:
        self.steps = steps
        self.at_each = at_each
        self.seen: list[Cursor] = []

    async def look(self, cursor: Cursor) -> Page[str]:
        self.seen.append(cursor)
        if self.at_each is not None:
            await self.at_each()
        done = len(self.seen)
        return Page(["found"], has_more=False) if done == self.steps else Page([], True, PLACES[done])


async def still_there() -> bool:
    return False


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "GO_ON_SECONDS", 600)


@pytest.mark.parametrize("is_back", [False, True])
async def test_each_step_begins_where_the_one_before_has_ended(is_back: bool) -> None:
    rows = Rows(3)
    first = Cursor(5, before=PLACES[0]) if is_back else Cursor(5)
    assert (await Searches().find(uuid4(), first, rows.look, still_there)).data == ["found"]
    ends = [one.before if is_back else one.after for one in rows.seen]
    assert ends == [PLACES[0] if is_back else None, PLACES[1], PLACES[2]]


async def test_it_ends_when_its_time_is_spent() -> None:
    now = iter(range(0, 10_000, 200))
    page = await Searches(lambda: next(now)).find(uuid4(), Cursor(), (rows := Rows(9)).look, still_there)
    assert (page.data, page.has_more, page.searched_to) == ([], True, PLACES[3])
    assert len(rows.seen) == 3


async def test_it_ends_when_nobody_waits_for_it() -> None:
    async def gone() -> bool:
        return True

    await Searches().find(uuid4(), Cursor(), (rows := Rows(9)).look, gone)
    assert len(rows.seen) == 1


async def test_one_of_an_account_goes_on_and_those_of_others_beside_it() -> None:
    searches, going, most = Searches(), dict[UUID, int](), dict[UUID, int]()

    async def one(account_id: UUID) -> None:
        rows = Rows(6)

        async def at_each() -> None:
            if len(rows.seen) > 1:
                going[account_id] = going.get(account_id, 0) + 1
                most[account_id] = max(most.get(account_id, 0), going[account_id])
                most[everybody] = max(most.get(everybody, 0), sum(going.values()))
                await asyncio.sleep(0)
                going[account_id] -= 1

        rows.at_each = at_each
        assert (await searches.find(account_id, Cursor(), rows.look, still_there)).data

    ada, bob, everybody = uuid4(), uuid4(), uuid4()
    async with asyncio.timeout(60):
        await asyncio.gather(*(one(who) for who in (ada, ada, ada, bob, bob)))
    assert (most[ada], most[bob], most[everybody]) == (1, 1, 2)
