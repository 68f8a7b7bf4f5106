"""Suppressions: added, found in one go, listed, removed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from hourpost.database import Database
from hourpost.errors import NotFound, ValidationFailed
from hourpost.pages import Cursor
from hourpost.rules.ids import new_id
from hourpost.suppressions.changes import add_suppressions, remove_suppression, remove_suppressions
from hourpost.suppressions.queries import Reason, Suppression, get_suppression, list_suppressions
from tests.cast import make_account

NOW = datetime.now(UTC)


async def add(
    database: Database, account_id: UUID, *addresses: str, reason: Reason = Reason.MANUAL
) -> list[Suppression]:
    async with database.transaction() as connection:
        return await add_suppressions(connection, account_id, addresses, NOW, reason=reason)


async def test_who_is_suppressed_stays_so_with_the_first_reason(database: Database) -> None:
    account = (await make_account(database)).id
    (first,) = await add(database, account, "a@example.net", reason=Reason.BOUNCE)
    (again,) = await add(database, account, "A@example.net")
    assert again == first
    assert again.reason is Reason.BOUNCE


async def test_a_bounce_remembers_its_email(database: Database) -> None:
    account, email = (await make_account(database)).id, new_id()
    async with database.transaction() as connection:
        (made,) = await add_suppressions(
            connection, account, ["a@example.net"], NOW, reason=Reason.COMPLAINT, email_id=email
        )
    assert (made.email_id, made.reason) == (email, Reason.COMPLAINT)


async def test_a_batch_keeps_its_order_and_drops_doubles(database: Database) -> None:
    made = await add(database, (await make_account(database)).id, "z@x.net", "a@x.net", "Z@x.net")
    assert [one.address for one in made] == ["z@x.net", "a@x.net"]


async def test_a_batch_is_stored_as_a_whole_or_not_at_all(database: Database) -> None:
    account = (await make_account(database)).id
    with pytest.raises(ValidationFailed) as caught:
        await add(database, account, "a@x.net", "nobody", "b@x.net", "a@b@c")
    assert [fault.pointer for fault in caught.value.faults] == ["/1", "/3"]
    async with database.reading() as connection:
        assert (await list_suppressions(connection, account, Cursor())).data == []


async def test_a_batch_too_large_is_refused(database: Database) -> None:
    account = (await make_account(database)).id
    with pytest.raises(ValidationFailed):
        await add(database, account, *(f"a{number}@x.net" for number in range(1001)))
    async with database.transaction() as connection:
        with pytest.raises(ValidationFailed):
            await remove_suppressions(connection, account, ["a@x.net"] * 1001)
    assert len(await add(database, account, *(f"a{number}@x.net" for number in range(1000)))) == 1000
    assert await add(database, account) == []


async def test_two_batches_at_once_do_not_lock_each_other_out(database: Database) -> None:
    account = (await make_account(database)).id
    addresses = [f"a{number}@x.net" for number in range(200)]
    both = await asyncio.gather(add(database, account, *addresses), add(database, account, *addresses[::-1]))
    assert {one.id for one in both[0]} == {one.id for one in both[1]}


@pytest.mark.parametrize("by_id", [True, False])
async def test_one_is_read_and_removed_by_id_or_address(database: Database, by_id: bool) -> None:
    account = (await make_account(database)).id
    (made,) = await add(database, account, "a+b@example.net")
    key = made.public_id if by_id else "A+B@example.net"
    async with database.transaction() as connection:
        assert await get_suppression(connection, account, key) == made
        assert await remove_suppression(connection, account, key) == made
        with pytest.raises(NotFound):
            await remove_suppression(connection, account, key)
        with pytest.raises(NotFound):
            await get_suppression(connection, account, key)


async def test_many_are_removed_by_ids_and_addresses_together(database: Database) -> None:
    account = (await make_account(database)).id
    one, two, three = await add(database, account, "a@x.net", "b@x.net", "c@x.net")
    async with database.transaction() as connection:
        removed = await remove_suppressions(connection, account, [one.public_id, "b@x.net", "nobody@x.net", "junk"])
        left = await list_suppressions(connection, account, Cursor())
    assert {gone.id for gone in removed} == {one.id, two.id}
    assert left.data == [three]


async def test_lists_are_cut_into_pages_and_by_reason(database: Database) -> None:
    account = (await make_account(database)).id
    await add(database, account, "a@x.net", reason=Reason.BOUNCE)
    await add(database, account, "b@x.net", "c@x.net")
    async with database.reading() as connection:
        page = await list_suppressions(connection, account, Cursor(2))
        bounced = await list_suppressions(connection, account, Cursor(), Reason.BOUNCE)
    assert ([one.address for one in page.data], page.has_more) == (["c@x.net", "b@x.net"], True)
    assert [one.address for one in bounced.data] == ["a@x.net"]


async def test_a_stranger_sees_and_removes_nothing(database: Database) -> None:
    account, stranger = (await make_account(database)).id, (await make_account(database)).id
    (made,) = await add(database, account, "a@x.net")
    async with database.transaction() as connection:
        assert await remove_suppressions(connection, stranger, [made.public_id, made.address]) == []
        with pytest.raises(NotFound):
            await get_suppression(connection, stranger, made.public_id)
