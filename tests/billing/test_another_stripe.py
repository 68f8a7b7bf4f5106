"""Another Stripe than before, or live mode after test mode: it knows none of those who were customers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from hourpost.accounts.queries import Account
from hourpost.billing.queries import find_checkout, find_customer
from hourpost.billing.till import Till
from hourpost.errors import Conflict
from tests.billing.conftest import Shop


async def visitor(shop: Shop) -> Account:
    """Has opened a checkout, and never paid."""
    account = await shop.account()
    await shop.till.check_out(account, "normal", "once")
    return account


async def former(shop: Shop) -> Account:
    """Has paid once, long ago."""
    account = await shop.subscriber()
    await shop.till.cancel(account.id)
    shop.pass_time(days=31)
    await shop.receive()
    return account


BEFORE = (visitor, former)


@pytest.mark.parametrize("before", BEFORE)
async def test_an_account_that_pays_nothing_can_be_deleted(
    shop: Shop, before: Callable[[Shop], Awaitable[Account]]
) -> None:
    account = await before(shop)
    shop.fake.reset()
    await shop.till.close(account.id)
    async with shop.database.reading() as connection:
        assert await find_customer(connection, account.id) is None


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("act", [Till.take_back, Till.portal])
async def test_what_there_is_nothing_of_there_is_said_and_forgotten(
    shop: Shop, before: Callable[[Shop], Awaitable[Account]], act: Callable[[Till, UUID], Awaitable[object]]
) -> None:
    account = await before(shop)
    shop.fake.reset()
    with pytest.raises(Conflict, match="nothing"):
        await act(shop.till, account.id)
    async with shop.database.reading() as connection:
        assert await find_checkout(connection, account.id, shop.clock.now()) is None
    await shop.buy(account, "path")
    assert (await shop.look(account)).plan == "path"
