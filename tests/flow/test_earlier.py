"""What is known already of orders on board."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hourpost.flow.earlier import find_earlier
from hourpost.suppressions.changes import add_suppressions
from hourpost.suppressions.queries import Reason
from tests.flow.letters import letter, make_standing, order

NOW = datetime(2026, 11, 1, tzinfo=UTC)


async def find(database, *orders):
    async with database.hot_statements() as connection:
        return await find_earlier(connection, orders)


async def test_recipients_are_suppressed_for_their_account_whatever_their_case(database, new_account):
    mine, theirs = await new_account(10), await new_account(10)
    async with database.transaction() as connection:
        await add_suppressions(connection, mine.id, ["Anna@Example.net"], NOW, reason=Reason.MANUAL)
        await add_suppressions(connection, theirs.id, ["carl@example.net"], NOW, reason=Reason.MANUAL)
    asked = order(make_standing(mine), letter(recipients=("ANNA@example.net", "carl@example.net")))
    earlier = await find(database, asked)
    assert earlier.suppressed == {(mine.id, "anna@example.net")}
    assert earlier.known == {}


async def test_nothing_is_known_of_nobody(database):
    assert (await find(database)).suppressed == set()


@pytest.mark.parametrize("key", ["one", "two words"])
async def test_a_key_that_was_used_is_known_to_its_account_alone(database, office, new_account, key):
    mine, theirs = await new_account(10), await new_account(10)
    first = order(make_standing(mine), key=key)
    await office.intake.accept(first)
    earlier = await find(database, first, order(make_standing(theirs), key=key))
    assert list(earlier.known) == [(mine.id, key)]
    assert earlier.known[mine.id, key].body_sha256 == first.body_sha256
