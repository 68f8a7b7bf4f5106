"""Logging in: the password of the mailbox, app passwords, what wrong ones cost, and how fast a revoked one ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from sqlalchemy import select, update

from hourpost import tables
from hourpost.accounts.passwords import hash_password
from hourpost.database import Database
from hourpost.domains.changes import delete_domain
from hourpost.errors import Forbidden, LimitExceeded, NotFound, ValidationFailed
from hourpost.gateways.attempts import RedisAttempts
from hourpost.gateways.clock import SystemClock
from hourpost.mailboxes.app_passwords import (
    IssuedAppPassword,
    Service,
    create_app_password,
    list_app_passwords,
    revoke_app_password,
)
from hourpost.mailboxes.changes import NewMailbox, add_alias, create_mailbox, delete_mailbox, set_password
from hourpost.mailboxes.login import Attempt, MailboxLogins
from hourpost.mailboxes.queries import Mailbox
from hourpost.mailboxes.scram_keys import ScramSecret, open_keys
from hourpost.rules.ids import new_id
from hourpost.rules.scram import derive_keys
from tests.cast import CIPHER, make_account, make_domain

NOW = datetime.now(UTC)
PASSWORD = "a good long password"

Start = Callable[[], Awaitable[MailboxLogins]]


@pytest_asyncio.fixture
async def start_logins(database_url: str, redis_url: str) -> AsyncIterator[Start]:
    """Starts logins, each with connections of its own, as another process has them."""
    opened: list[tuple[MailboxLogins, Database]] = []
    attempts = RedisAttempts(redis_url)

    async def start() -> MailboxLogins:
        database = Database(database_url, pool_size=2, application="logins")
        logins = MailboxLogins(database, attempts, SystemClock(), CIPHER, key=b"a key")
        opened.append((logins, database))
        await logins.start()
        return logins

    yield start
    for logins, database in opened:
        await logins.stop()
        await database.close()
    await attempts.aclose()


@pytest_asyncio.fixture
async def logins(start_logins: Start) -> MailboxLogins:
    return await start_logins()


@pytest_asyncio.fixture
async def mailbox(database: Database) -> Mailbox:
    account = await make_account(database)
    domain = await make_domain(database, account)
    password_hash = await hash_password(PASSWORD)
    async with database.transaction() as connection:
        return await create_mailbox(connection, account.id, NewMailbox(f"ann@{domain.name}", password_hash), NOW)


async def issue(database: Database, mailbox: Mailbox, *scopes: str) -> IssuedAppPassword:
    async with database.transaction() as connection:
        return await create_app_password(
            connection, (mailbox.account_id, mailbox.id), "a phone", scopes or ("imap",), NOW
        )


def attempt(mailbox: Mailbox, service: Service = Service.IMAP, peer: str = "") -> Attempt:
    return Attempt(mailbox.address, service, peer or f"peer {new_id()}")


async def ended(event: asyncio.Event) -> bool:
    """Far sooner than anything is remembered."""
    await asyncio.wait_for(event.wait(), 9)
    return True


async def test_an_address_and_its_password_log_in(logins: MailboxLogins, mailbox: Mailbox) -> None:
    login = await logins.log_in(Attempt(mailbox.address.upper(), Service.WEB, "::1"), PASSWORD)
    assert (login.mailbox_id, login.account_id) == (mailbox.id, mailbox.account_id)
    assert login.addresses == (mailbox.address,)
    assert login.app_password_id is None


async def test_an_alias_logs_in_to_its_mailbox(database: Database, logins: MailboxLogins, mailbox: Mailbox) -> None:
    alias = f"anna@{mailbox.domain}"
    async with database.transaction() as connection:
        await add_alias(connection, mailbox.account_id, mailbox.id, alias, NOW)
    login = await logins.log_in(Attempt(alias, Service.SMTP, "::1"), PASSWORD)
    assert login.addresses == (mailbox.address, alias)


@pytest.mark.parametrize("address", ["nobody@nowhere.test", "", "\udcff@x", "@"])
async def test_unknown_addresses_are_refused(logins: MailboxLogins, address: str) -> None:
    with pytest.raises(Forbidden):
        await logins.log_in(Attempt(address, Service.IMAP, f"peer {new_id()}"), PASSWORD)


async def test_a_wrong_password_is_refused_also_after_a_right_one(logins: MailboxLogins, mailbox: Mailbox) -> None:
    await logins.log_in(attempt(mailbox), PASSWORD)
    with pytest.raises(Forbidden):
        await logins.log_in(attempt(mailbox), PASSWORD + " ")


async def test_an_app_password_is_for_its_services_only(
    database: Database, logins: MailboxLogins, mailbox: Mailbox
) -> None:
    issued = await issue(database, mailbox, "pop3", "imap")
    assert issued.app_password.scopes == ("imap", "pop3")
    login = await logins.log_in(attempt(mailbox, Service.POP3), issued.secret)
    assert login.app_password_id == issued.app_password.id
    for service in (Service.SMTP, Service.WEB):
        with pytest.raises(Forbidden):
            await logins.log_in(attempt(mailbox, service), issued.secret)


async def test_an_app_password_is_for_its_mailbox_only(
    database: Database, logins: MailboxLogins, mailbox: Mailbox
) -> None:
    issued = await issue(database, mailbox)
    with pytest.raises(Forbidden):
        await logins.log_in(Attempt(f"bob@{mailbox.domain}", Service.IMAP, "::1"), issued.secret)


async def test_a_revoked_app_password_ends_its_sessions_everywhere(
    database: Database, start_logins: Start, mailbox: Mailbox
) -> None:
    one, other = await start_logins(), await start_logins()
    issued, kept = await issue(database, mailbox), await issue(database, mailbox)
    gone, stays = asyncio.Event(), asyncio.Event()
    for logins in (one, other):
        logins.watch(await logins.log_in(attempt(mailbox), issued.secret), gone.set)
        logins.watch(await logins.log_in(attempt(mailbox), kept.secret), stays.set)
    place = (mailbox.account_id, mailbox.id)
    async with database.transaction() as connection:
        await revoke_app_password(connection, place, issued.app_password.id, NOW)
    assert await ended(gone)
    assert not stays.is_set()
    with pytest.raises(Forbidden):
        await other.log_in(attempt(mailbox), issued.secret)
    async with database.transaction() as connection:
        assert len(await list_app_passwords(connection, *place)) == 1
        with pytest.raises(NotFound):
            await revoke_app_password(connection, place, issued.app_password.id, NOW)


async def test_a_new_password_ends_the_sessions_of_the_old_one(
    database: Database, logins: MailboxLogins, mailbox: Mailbox
) -> None:
    event = asyncio.Event()
    logins.watch(await logins.log_in(attempt(mailbox), PASSWORD), event.set)
    new_hash = await hash_password("another long password")
    async with database.transaction() as connection:
        await set_password(connection, mailbox.account_id, mailbox.id, new_hash)
    assert await ended(event)
    with pytest.raises(Forbidden):
        await logins.log_in(attempt(mailbox), PASSWORD)
    await logins.log_in(attempt(mailbox), "another long password")


async def lose_domain(database: Database, name: str) -> None:
    async with database.transaction() as connection:
        table = tables.Domain
        row = (await connection.execute(select(table.account_id, table.id).where(table.name == name))).one()
        await delete_domain(connection, row.account_id, row.id, NOW)


@pytest.mark.parametrize("had_it_before", [True, False])
async def test_where_a_domain_has_changed_hands_a_login_that_is_remembered_ends_with_it(
    database: Database, logins: MailboxLogins, mailbox: Mailbox, *, had_it_before: bool
) -> None:
    other, new = await make_account(database), NewMailbox(mailbox.address, await hash_password("another password"))

    async def log_in() -> bool:
        """Into the mailbox that nobody else's comes before, until somebody's does."""
        try:
            return (await logins.log_in(attempt(mailbox), PASSWORD)).mailbox_id != mailbox.id
        except Forbidden:
            return True

    await lose_domain(database, mailbox.domain)
    await make_domain(database, other, mailbox.domain)
    async with database.transaction() as connection:
        made = await create_mailbox(connection, other.id, new, NOW) if had_it_before else None
    if made:
        await lose_domain(database, mailbox.domain)
    await asyncio.sleep(0.2)  # what was told of that is heard
    assert not await log_in()
    if made:
        await make_domain(database, other, mailbox.domain)
    else:
        async with database.transaction() as connection:
            await create_mailbox(connection, other.id, new, NOW)
    async with asyncio.timeout(5):  # half as long as anything is remembered
        await eventually(log_in)


async def test_a_login_that_ended_before_it_was_watched_ends_too(
    database: Database, logins: MailboxLogins, mailbox: Mailbox
) -> None:
    login = await logins.log_in(attempt(mailbox), PASSWORD)
    first, event = asyncio.Event(), asyncio.Event()
    logins.watch(login, first.set)
    async with database.transaction() as connection:
        await delete_mailbox(connection, mailbox.account_id, mailbox.id, NOW)
    assert await ended(first)
    logins.watch(login, event.set)
    assert await ended(event)


async def test_who_left_is_not_told(database: Database, logins: MailboxLogins, mailbox: Mailbox) -> None:
    login = await logins.log_in(attempt(mailbox), PASSWORD)
    gone, left = asyncio.Event(), asyncio.Event()
    leave = logins.watch(login, left.set)
    logins.watch(login, gone.set)
    leave()
    async with database.transaction() as connection:
        await delete_mailbox(connection, mailbox.account_id, mailbox.id, NOW)
    assert await ended(gone)
    assert not left.is_set()


async def test_many_wrong_passwords_delay_but_not_where_the_owner_is_known(
    logins: MailboxLogins, mailbox: Mailbox
) -> None:
    home, stranger = f"home {new_id()}", f"stranger {new_id()}"
    await logins.log_in(attempt(mailbox, peer=home), PASSWORD)
    for _ in range(10):
        with pytest.raises(Forbidden):
            await logins.log_in(attempt(mailbox, peer=stranger), "wrong password")
    for password in ("wrong again", "right or wrong"):
        with pytest.raises(LimitExceeded) as caught:
            await logins.log_in(attempt(mailbox, peer=stranger), password)
        assert caught.value.retry_after_seconds
    await logins.log_in(attempt(mailbox, Service.POP3, peer=home), PASSWORD)


async def test_without_redis_nothing_is_counted_and_right_is_still_right(database: Database, mailbox: Mailbox) -> None:
    away = RedisAttempts("redis://127.0.0.1:1/0")
    logins = MailboxLogins(database, away, SystemClock(), CIPHER, key=b"a key")
    for _ in range(2):
        with pytest.raises(Forbidden):
            await logins.log_in(attempt(mailbox), "wrong password")
    await logins.log_in(attempt(mailbox), PASSWORD)
    await away.aclose()


async def test_unknown_addresses_are_delayed_alike(logins: MailboxLogins) -> None:
    unknown = Attempt(f"{new_id()}@nowhere.test", Service.IMAP, f"peer {new_id()}")
    for _ in range(10):
        with pytest.raises(Forbidden):
            await logins.log_in(unknown, "wrong password")
    with pytest.raises(LimitExceeded):
        await logins.log_in(unknown, "wrong password")


async def test_scram_has_the_keys_of_every_password(
    database: Database, logins: MailboxLogins, mailbox: Mailbox
) -> None:
    issued = await issue(database, mailbox)
    await change_password(database, mailbox, "another long password")
    salt, candidates = await logins.offer_scram(attempt(mailbox))
    assert [one.keys for one in candidates] == [
        derive_keys(secret, salt) for secret in ("another long password", issued.secret)
    ]
    for candidate, app_password_id in zip(candidates, (None, issued.app_password.id), strict=True):
        login = await logins.finish_scram(attempt(mailbox), candidate)
        assert login.app_password_id == app_password_id


async def test_a_password_from_before_is_good_for_scram_once_it_was_told(
    database: Database, logins: MailboxLogins, mailbox: Mailbox
) -> None:
    issued = await issue(database, mailbox)
    async with database.transaction() as connection:
        await connection.execute(update(tables.AppPassword).values(stored_key=None, server_key=None))
    salt, candidates = await logins.offer_scram(attempt(mailbox))
    assert candidates == []
    for secret in (PASSWORD, issued.secret):
        await logins.log_in(attempt(mailbox), secret)
    await eventually(lambda: has_candidates(logins, mailbox, 2))
    _, candidates = await logins.offer_scram(attempt(mailbox))
    assert [one.keys for one in candidates] == [derive_keys(secret, salt) for secret in (PASSWORD, issued.secret)]


async def has_candidates(logins: MailboxLogins, mailbox: Mailbox, count: int) -> bool:
    return len((await logins.offer_scram(attempt(mailbox)))[1]) == count


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(1000):
        if await condition():
            return
        await asyncio.sleep(0.02)


async def change_password(database: Database, mailbox: Mailbox, password: str) -> None:
    new_hash, scram = await hash_password(password), ScramSecret(password, CIPHER)
    async with database.transaction() as connection:
        await set_password(connection, mailbox.account_id, mailbox.id, new_hash, scram)


async def test_the_keys_of_a_password_are_sealed_and_end_with_it(
    database: Database, logins: MailboxLogins, mailbox: Mailbox
) -> None:
    await change_password(database, mailbox, "another long password")
    salt, candidates = await logins.offer_scram(attempt(mailbox))
    async with database.reading() as connection:
        columns = select(tables.Mailbox.scram_keys).where(tables.Mailbox.id == mailbox.id)
        stored = (await connection.execute(columns)).scalar_one()
    assert stored is not None
    assert candidates[0].keys.stored_key not in stored
    assert open_keys(CIPHER, stored, salt) == candidates[0].keys
    assert open_keys(CIPHER, stored, b"the salt of another") is None
    async with database.transaction() as connection:
        await set_password(connection, mailbox.account_id, mailbox.id, "no hash")
    assert (await logins.offer_scram(attempt(mailbox))) == (salt, [])


async def test_guesses_by_scram_are_delayed_even_where_one_is_right(
    database: Database, logins: MailboxLogins, mailbox: Mailbox
) -> None:
    await change_password(database, mailbox, "another long password")
    stranger = f"stranger {new_id()}"
    right = (await logins.offer_scram(attempt(mailbox)))[1][0]
    for _ in range(10):
        with pytest.raises(Forbidden):
            await logins.finish_scram(attempt(mailbox, peer=stranger), None)
    with pytest.raises(LimitExceeded):
        await logins.finish_scram(attempt(mailbox, peer=stranger), right)


async def test_an_unknown_address_has_a_salt_that_stays(start_logins: Start) -> None:
    unknown = Attempt("nobody@nowhere.test", Service.IMAP, f"peer {new_id()}")
    offers = [await (await start_logins()).offer_scram(unknown) for _ in range(2)]
    assert offers[0] == offers[1]
    assert (len(offers[0][0]), offers[0][1]) == (16, [])
    with pytest.raises(Forbidden):
        await (await start_logins()).finish_scram(unknown, None)


async def test_all_that_is_wrong_with_an_app_password_is_said_at_once(database: Database, mailbox: Mailbox) -> None:
    async with database.transaction() as connection:
        with pytest.raises(ValidationFailed) as caught:
            await create_app_password(connection, (mailbox.account_id, mailbox.id), " ", ["web"], NOW)
    assert [fault.pointer for fault in caught.value.faults] == ["/name", "/scopes"]
