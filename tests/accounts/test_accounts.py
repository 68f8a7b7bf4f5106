"""Accounts and the people who log in for them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from hourpost.accounts.changes import (
    NewAccount,
    create_account,
    resume_account,
    set_ed25519_signing,
    set_plan,
    suspend_account,
)
from hourpost.accounts.passwords import hash_password, is_password
from hourpost.accounts.queries import (
    Account,
    find_account,
    find_user_by_email,
    get_account,
    get_named_account,
    list_accounts,
)
from hourpost.database import Database
from hourpost.errors import Conflict, NotFound, ValidationFailed
from hourpost.pages import Cursor
from hourpost.rules.ids import new_id
from tests.cast import make_account

NOW = datetime.now(UTC)


async def create(database: Database, new: NewAccount) -> Account:
    async with database.transaction() as connection:
        return await create_account(connection, new, NOW)


async def test_an_account_has_the_limit_of_its_plan(database: Database) -> None:
    account = await make_account(database, "premium")
    assert (account.plan, account.limit) == ("premium", 3000)


async def test_an_account_without_a_plan_may_send_nothing(database: Database) -> None:
    account = await make_account(database, None)
    assert (account.plan, account.limit) == (None, 0)


async def test_the_hour_is_there_from_the_beginning(database: Database) -> None:
    account = await make_account(database)
    async with database.reading() as connection:
        found = await connection.execute(text("SELECT generation FROM hours WHERE account_id = :a"), {"a": account.id})
    assert found.scalar_one() == 0


async def test_who_has_the_address_owns_the_account(database: Database) -> None:
    account = await make_account(database)
    async with database.reading() as connection:
        user = await find_user_by_email(connection, account.email.upper())
        role = await connection.execute(
            text("SELECT user_id, role FROM memberships WHERE account_id = :a"), {"a": account.id}
        )
    assert user is not None
    assert role.one() == (user.id, "owner")


async def test_one_person_may_own_two_accounts(database: Database) -> None:
    first = await make_account(database)
    second = await create(database, NewAccount("Second", first.email))
    async with database.reading() as connection:
        members = await connection.execute(
            text("SELECT count(DISTINCT user_id) FROM memberships WHERE account_id IN (:a, :b)"),
            {"a": first.id, "b": second.id},
        )
    assert members.scalar_one() == 1


async def test_a_second_account_does_not_change_the_password(database: Database) -> None:
    first = await make_account(database)
    with pytest.raises(Conflict, match="keeps the password"):
        await create(database, NewAccount("Second", first.email, None, await hash_password("another password")))


async def test_all_that_is_wrong_with_an_account_is_said_at_once(database: Database) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await create(database, NewAccount(" ", "nobody", "gold"))
    assert [fault.pointer for fault in caught.value.faults] == ["/plan", "/name", "/email"]


async def test_a_plan_may_be_changed_and_given_up(database: Database) -> None:
    account = await make_account(database)
    async with database.transaction() as connection:
        assert (await set_plan(connection, account.id, "skilled")).limit == 5000
        assert (await set_plan(connection, account.id, "skilled", 20_000)).limit == 20_000
        assert (await set_plan(connection, account.id, None)).limit == 0


@pytest.mark.parametrize(("plan", "limit"), [("gold", None), ("path", -1), (None, 5)])
async def test_a_plan_that_makes_no_sense_is_refused(database: Database, plan: str | None, limit: int | None) -> None:
    account = await make_account(database)
    with pytest.raises(ValidationFailed):
        async with database.transaction() as connection:
            await set_plan(connection, account.id, plan, limit)


async def test_a_plan_of_nobody_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound):
        async with database.transaction() as connection:
            await set_plan(connection, new_id(), "path")


async def test_an_account_is_suspended_and_resumed(database: Database) -> None:
    account = await make_account(database)
    async with database.transaction() as connection:
        assert (await suspend_account(connection, account.id, NOW)).suspended_at == NOW
        assert (await resume_account(connection, account.id)).suspended_at is None


async def test_an_account_may_ask_for_a_second_signature(database: Database) -> None:
    account = await make_account(database)
    async with database.transaction() as connection:
        assert (await set_ed25519_signing(connection, account.id, wanted=True)).signs_ed25519


async def test_an_operator_names_an_account_by_id_name_or_address(database: Database) -> None:
    account = await make_account(database)
    async with database.reading() as connection:
        for word in (account.public_id, account.name, account.name.swapcase(), account.email.upper()):
            assert await get_named_account(connection, word) == account


async def test_accounts_whose_names_differ_in_case_alone_are_told_apart_by_it(database: Database) -> None:
    name = f"Twin {uuid4().hex}"
    lower, upper = [await make_account(database, name=one) for one in (name.lower(), name.upper())]
    async with database.reading() as connection:
        assert await get_named_account(connection, lower.name) == lower
        assert await get_named_account(connection, upper.name) == upper
        with pytest.raises(ValidationFailed, match="several accounts"):
            await get_named_account(connection, name.title())


async def test_an_ambiguous_name_is_not_guessed(database: Database) -> None:
    name = f"Twin {uuid4().hex}"
    await make_account(database, name=name)
    await make_account(database, name=name)
    async with database.reading() as connection:
        with pytest.raises(ValidationFailed, match="several accounts"):
            await get_named_account(connection, name)


async def test_an_unknown_account_is_not_found(database: Database) -> None:
    async with database.reading() as connection:
        assert await find_account(connection, new_id()) is None
        with pytest.raises(NotFound):
            await get_account(connection, new_id())
        with pytest.raises(NotFound):
            await get_named_account(connection, uuid4().hex)


async def test_lists_go_from_new_to_old_and_back(database: Database) -> None:
    made = [(await make_account(database)).id for _ in range(5)][::-1]
    async with database.reading() as connection:
        first = await list_accounts(connection, Cursor(2))
        second = await list_accounts(connection, Cursor(2, after=first.data[-1].id))
        back = await list_accounts(connection, Cursor(2, before=second.data[0].id))
        newer = await list_accounts(connection, Cursor(2, before=second.data[1].id))
    assert [account.id for account in first.data + second.data] == made[:4]
    assert (back.data, back.has_more) == (first.data, False)
    assert ([account.id for account in newer.data], newer.has_more) == (made[1:3], True)


@pytest.mark.parametrize("cursor", [Cursor(0), Cursor(101), Cursor(1, new_id(), new_id())])
async def test_a_page_that_makes_no_sense_is_refused(database: Database, cursor: Cursor) -> None:
    async with database.reading() as connection:
        with pytest.raises(ValidationFailed):
            await list_accounts(connection, cursor)


async def test_only_the_password_is_the_password() -> None:
    hashed = await hash_password("correct horse")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await is_password("correct horse", hashed)
    assert not await is_password("correct Horse", hashed)
    assert not await is_password("correct horse", None)
    assert not await is_password("correct horse", "no hash at all")


@pytest.mark.parametrize("password", ["short", "x" * 201])
async def test_a_password_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(ValidationFailed):
        await hash_password(password)
    assert not await is_password(password, None)
