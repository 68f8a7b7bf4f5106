"""Mailboxes: made on verified domains, reached by their addresses, deleted with a grace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text

from hourpost.accounts.queries import Account
from hourpost.database import Database
from hourpost.domains.queries import Domain
from hourpost.errors import Conflict, Forbidden, NotFound, ValidationFailed
from hourpost.mailboxes.changes import (
    GRACE,
    MailboxSettings,
    NewMailbox,
    add_alias,
    create_mailbox,
    delete_mailbox,
    remove_alias,
    restore_mailbox,
    set_catch_all,
    update_mailbox,
)
from hourpost.mailboxes.queries import (
    Mailbox,
    Recipient,
    find_recipients,
    get_mailbox,
    get_named_mailbox,
    is_hosted_domain,
    list_mailboxes,
)
from hourpost.pages import Cursor
from tests.cast import make_account, make_domain

NOW = datetime.now(UTC)

Make = Callable[..., Awaitable[Mailbox]]


@pytest_asyncio.fixture
async def account(database: Database) -> Account:
    return await make_account(database)


@pytest_asyncio.fixture
async def domain(database: Database, account: Account) -> Domain:
    return await make_domain(database, account)


@pytest.fixture
def make(database: Database, account: Account, domain: Domain) -> Make:
    async def make_one(local: str = "ann", of: Account | None = None, **settings: object) -> Mailbox:
        new = NewMailbox(f"{local}@{domain.name}", "no hash", **settings)  # type: ignore[arg-type]
        async with database.transaction() as connection:
            return await create_mailbox(connection, (of or account).id, new, NOW)

    return make_one


async def reach(database: Database, *addresses: str) -> dict[str, Recipient]:
    async with database.reading() as connection:
        return await find_recipients(connection, addresses)


async def test_a_mailbox_is_made_with_aliases_and_as_the_rest(make: Make, domain: Domain) -> None:
    mailbox = await make("Ann", name=" Ann ", aliases=(f"a@{domain.name}",), catch_all=True)
    assert (mailbox.address, mailbox.name) == (f"ann@{domain.name}", "Ann")
    assert mailbox.addresses == (f"ann@{domain.name}", f"a@{domain.name}")
    assert mailbox.catch_all == (domain.name,)
    assert mailbox.public_id.startswith("mbx_")


async def test_only_on_a_verified_domain_of_the_account(database: Database, make: Make, account: Account) -> None:
    with pytest.raises(Forbidden):
        await make(of=await make_account(database))
    unproved = await make_domain(database, account, verified=False)
    async with database.transaction() as connection:
        with pytest.raises(Forbidden):
            await create_mailbox(connection, account.id, NewMailbox(f"a@{unproved.name}", "no hash"), NOW)


@pytest.mark.parametrize("local", ["", "a b", "Ann <ann", "a+tag", "a..b", '"q"%x'])
async def test_some_addresses_are_none(make: Make, local: str) -> None:
    with pytest.raises((ValidationFailed, Forbidden)):
        await make(local)


async def test_an_address_is_one_mailboxs(database: Database, make: Make, account: Account, domain: Domain) -> None:
    first, second = await make("ann"), await make("bob")
    with pytest.raises(Conflict):
        await make("ANN")
    async with database.transaction() as connection:
        with pytest.raises(Conflict):
            await add_alias(connection, account.id, second.id, first.address, NOW)
        await set_catch_all(connection, account.id, first.id, wanted=True, now=NOW)
        with pytest.raises(Conflict):
            await set_catch_all(connection, account.id, second.id, wanted=True, now=NOW)


async def test_mail_finds_its_mailbox(database: Database, make: Make, account: Account, domain: Domain) -> None:
    ann, rest = await make("ann"), await make("rest", catch_all=True)
    async with database.transaction() as connection:
        await add_alias(connection, account.id, ann.id, f"Anna@{domain.name}", NOW)
    wanted = [f"{local}@{domain.name}" for local in ("Ann", "anna", "ann+shop", "ann+a+b", "who", "+x")]
    found = await reach(database, *wanted, "ann@elsewhere.test")
    assert {address: one.mailbox_id for address, one in found.items()} == dict(
        zip(wanted, [ann.id, ann.id, ann.id, ann.id, rest.id, rest.id], strict=True)
    )
    assert all(one.inbox_id != one.junk_id for one in found.values())


async def test_without_a_mailbox_for_the_rest_unknown_addresses_have_none(
    database: Database, make: Make, domain: Domain
) -> None:
    await make("ann")
    assert await reach(database, f"bob@{domain.name}") == {}
    async with database.reading() as connection:
        assert await is_hosted_domain(connection, domain.name.upper())
        assert not await is_hosted_domain(connection, "elsewhere.test")


async def test_a_domain_that_is_no_longer_verified_gets_no_mail(database: Database, make: Make, domain: Domain) -> None:
    mailbox = await make()
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE domains SET status = 'failed' WHERE id = :id"), {"id": domain.id})
    assert await reach(database, mailbox.address) == {}


async def test_a_domain_that_changed_hands_leads_to_its_new_owner(
    database: Database, make: Make, domain: Domain
) -> None:
    await make("ann")
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE domains SET status = 'failed' WHERE id = :id"), {"id": domain.id})
    heir = await make_account(database)
    await make_domain(database, heir, domain.name)
    theirs = await make("ann", of=heir)
    assert (await reach(database, theirs.address))[theirs.address].mailbox_id == theirs.id


async def test_settings_are_changed_one_by_one(database: Database, make: Make, account: Account) -> None:
    mailbox = await make()
    async with database.transaction() as connection:
        forwards = MailboxSettings(forward_to=("x@example.net", "x@example.net"), keeps_forwarded=False)
        await update_mailbox(connection, account.id, mailbox.id, forwards)
        changed = await update_mailbox(connection, account.id, mailbox.id, MailboxSettings("Ann", 10**6))
    assert (changed.name, changed.quota_bytes, changed.forward_to) == ("Ann", 10**6, ("x@example.net",))
    recipient = (await reach(database, mailbox.address))[mailbox.address]
    assert (recipient.forward_to, recipient.keeps_forwarded) == (("x@example.net",), False)


async def test_a_mailbox_does_not_forward_to_itself(database: Database, make: Make, account: Account) -> None:
    mailbox = await make()
    async with database.transaction() as connection:
        with pytest.raises(ValidationFailed, match="this mailbox itself"):
            to_itself = MailboxSettings(forward_to=("x@example.net", mailbox.address.upper()))
            await update_mailbox(connection, account.id, mailbox.id, to_itself)


@pytest.mark.parametrize(
    "settings",
    [
        MailboxSettings(quota_bytes=0),
        MailboxSettings(name="a\nb"),
        MailboxSettings(forward_to=("nobody",)),
        MailboxSettings(forward_to=tuple(f"a{n}@x.test" for n in range(11))),
    ],
)
async def test_some_settings_are_refused(
    database: Database, make: Make, account: Account, settings: MailboxSettings
) -> None:
    mailbox = await make()
    async with database.transaction() as connection:
        with pytest.raises(ValidationFailed):
            await update_mailbox(connection, account.id, mailbox.id, settings)


async def test_a_stranger_finds_nothing(database: Database, make: Make) -> None:
    mailbox, stranger = await make(), await make_account(database)
    async with database.transaction() as connection:
        for call in (
            get_mailbox(connection, stranger.id, mailbox.id),
            get_named_mailbox(connection, stranger.id, mailbox.address),
            update_mailbox(connection, stranger.id, mailbox.id, MailboxSettings("x")),
            add_alias(connection, stranger.id, mailbox.id, "a@b.test", NOW),
            remove_alias(connection, stranger.id, mailbox.id, mailbox.address),
            set_catch_all(connection, stranger.id, mailbox.id, wanted=True, now=NOW),
            delete_mailbox(connection, stranger.id, mailbox.id, NOW),
            restore_mailbox(connection, stranger.id, mailbox.id, NOW),
        ):
            with pytest.raises(NotFound):
                await call
        assert (await list_mailboxes(connection, stranger.id, Cursor())).data == []


async def test_a_deleted_mailbox_frees_its_address_and_comes_back_if_it_still_can(
    database: Database, make: Make, account: Account
) -> None:
    mailbox = await make()
    async with database.transaction() as connection:
        await delete_mailbox(connection, account.id, mailbox.id, NOW)
        with pytest.raises(NotFound):
            await delete_mailbox(connection, account.id, mailbox.id, NOW)
        assert (await list_mailboxes(connection, account.id, Cursor())).data == []
    assert await reach(database, mailbox.address) == {}
    async with database.transaction() as connection:
        with pytest.raises(NotFound):
            await restore_mailbox(connection, account.id, mailbox.id, NOW + GRACE + timedelta(seconds=1))
        await restore_mailbox(connection, account.id, mailbox.id, NOW + timedelta(days=1))
    assert set(await reach(database, mailbox.address)) == {mailbox.address}
    async with database.transaction() as connection:
        await delete_mailbox(connection, account.id, mailbox.id, NOW)
    await make()
    async with database.transaction() as connection:
        with pytest.raises(Conflict):
            await restore_mailbox(connection, account.id, mailbox.id, NOW)
