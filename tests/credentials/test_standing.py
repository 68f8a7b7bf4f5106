"""Standings: what a token leads to, and how fast every process forgets what is no longer true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text

from hourpost.accounts.changes import set_plan, suspend_account
from hourpost.credentials import lookup, standing, usage
from hourpost.credentials.changes import NewCredential, revoke_credential, set_expiry, set_filing
from hourpost.credentials.lookup import Found
from hourpost.credentials.queries import Kind
from hourpost.credentials.standing import StandingCache
from hourpost.database import Database
from hourpost.domains.changes import delete_domain
from hourpost.errors import Forbidden, NotAuthenticated, NotFound, ServiceUnavailable
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.rules.ids import new_id
from hourpost.rules.tokens import ENTROPY_BYTES, LIVE, SMTP, mint
from tests.cast import make_account, make_domain, make_key, make_smtp_login
from tests.fakes.clock import FakeClock

NOW = datetime.now(UTC)
UNKNOWN = mint(LIVE, b"\x07" * ENTROPY_BYTES)
MISSPELT = UNKNOWN[:-1] + ("y" if UNKNOWN[-1] == "x" else "x")


class WatchedDatabase(Database):
    """One that tells what it is asked by hot statements."""

    def __init__(self, url: str, on_query: Callable[[asyncpg.connection.LoggedQuery], None]) -> None:
        super().__init__(url, pool_size=2, application="standing")
        self._on_query = on_query

    async def _connect(self) -> asyncpg.Connection:
        connection = await super()._connect()
        connection.add_query_logger(self._on_query)
        return connection


class Process:
    """A cache with connections of its own, as another process has them; counts what it asks PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.clock = FakeClock()
        self.database = WatchedDatabase(url, self._count)
        self.cache = StandingCache(self.database, self.clock)
        self.questions = 0

    def _count(self, asked: asyncpg.connection.LoggedQuery) -> None:
        self.questions += "token_sha256" in asked.query


@pytest_asyncio.fixture
async def start(database: Database) -> AsyncIterator[Callable[[], Awaitable[Process]]]:
    started: list[Process] = []

    async def start_process() -> Process:
        process = Process(database.url)
        started.append(process)
        await process.cache.start()
        return process

    yield start_process
    for process in started:
        await process.cache.stop()
        await process.database.close()


Start = Callable[[], Awaitable[Process]]


async def is_refused(process: Process, token: str) -> bool:
    try:
        await process.cache.by_token(token)
    except Forbidden as error:
        return error.name == "invalid_api_key"
    return False


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Far shorter than anything is remembered."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


async def test_a_token_leads_to_the_account_its_plan_and_its_domains(database: Database, start: Start) -> None:
    account = await make_account(database, "normal")
    domain = await make_domain(database, account)
    await make_domain(database, account, verified=False)
    issued = await make_key(database, account, NewCredential("k", "sending"))
    found = await (await start()).cache.by_token(issued.secret)
    assert (found.account_id, found.credential_id) == (account.id, issued.credential.id)
    assert (found.kind, found.scope, found.test, found.plan, found.limit) == (
        "api_key",
        "sending",
        False,
        "normal",
        1500,
    )
    assert set(found.domains) == {domain.name}
    assert found.domains[domain.name].signs


async def test_without_a_plan_the_standing_says_so(database: Database, start: Start) -> None:
    issued = await make_key(database, await make_account(database, None))
    found = await (await start()).cache.by_token(issued.secret)
    assert (found.plan, found.limit) == (None, 0)


async def test_a_key_restricted_to_a_domain_may_send_from_no_other(database: Database, start: Start) -> None:
    account = await make_account(database)
    one, other = await make_domain(database, account), await make_domain(database, account)
    issued = await make_key(database, account, NewCredential("k", domain_id=one.id))
    found = await (await start()).cache.by_token(issued.secret)
    assert found.sending_domain(one.name) is not None
    assert found.sending_domain(other.name) is None


async def test_no_token_is_not_a_wrong_token(start: Start) -> None:
    with pytest.raises(NotAuthenticated):
        await (await start()).cache.by_token("")


@pytest.mark.parametrize("token", [UNKNOWN, "hp_live_short", MISSPELT, "Ünïcode", "re_123"])
async def test_a_token_of_nobody_is_invalid(start: Start, token: str) -> None:
    assert await is_refused(await start(), token)


async def test_an_smtp_password_is_no_api_key(database: Database, start: Start) -> None:
    issued = await make_smtp_login(database, await make_account(database))
    assert await is_refused(await start(), issued.secret)


async def test_a_second_look_asks_nobody(database: Database, start: Start) -> None:
    issued = await make_key(database, await make_account(database))
    process = await start()
    for _ in range(3):
        await process.cache.by_token(issued.secret)
    assert process.questions == 1


async def test_who_asks_at_once_shares_one_question(database: Database, start: Start) -> None:
    issued = await make_key(database, await make_account(database))
    process = await start()
    found = await asyncio.gather(*(process.cache.by_token(issued.secret) for _ in range(50)))
    assert len({id(one) for one in found}) == 1
    assert process.questions == 1


async def test_who_asks_for_another_at_the_same_moment_shares_the_question_and_gets_an_answer_of_its_own(
    database: Database, start: Start
) -> None:
    issued = [await make_key(database, await make_account(database)) for _ in range(5)]
    process = await start()
    asked = [process.cache.by_token(token) for token in [one.secret for one in issued] + [UNKNOWN, "hp_live_short"]]
    *found, unknown, short = await asyncio.gather(*asked, return_exceptions=True)
    assert [one.credential_id for one in found] == [one.credential.id for one in issued]
    assert isinstance(unknown, Forbidden)
    assert isinstance(short, Forbidden)
    assert process.questions == 1


async def test_accounts_are_looked_up_together_too(database: Database, start: Start) -> None:
    accounts = [await make_account(database) for _ in range(3)]
    domain = await make_domain(database, accounts[1])
    cache = (await start()).cache
    asked = [cache.by_account(id_) for id_ in [one.id for one in accounts] + [domain.id]]
    *found, unknown = await asyncio.gather(*asked, return_exceptions=True)
    assert [one.account_id for one in found] == [one.id for one in accounts]
    assert [set(one.domains) for one in found] == [set(), {domain.name}, set()]
    assert isinstance(unknown, Forbidden)


async def test_what_was_looked_up_together_does_not_end_together(start: Start) -> None:
    process = await start()
    tokens = [mint(LIVE, bytes([number]) * ENTROPY_BYTES) for number in range(20)]
    assert all(await asyncio.gather(*(is_refused(process, token) for token in tokens)))
    ends = {end for end, _ in process.cache._known.values()}
    assert len(ends) == len(tokens)
    assert max(ends) - min(ends) < standing.REMEMBERED_SECONDS


async def test_an_unknown_token_is_asked_for_once_too(start: Start) -> None:
    process = await start()
    for _ in range(3):
        assert await is_refused(process, UNKNOWN)
    assert process.questions == 1


async def test_a_misspelt_token_costs_no_question(start: Start) -> None:
    process = await start()
    assert await is_refused(process, MISSPELT)
    assert process.questions == 0


async def test_what_is_remembered_has_a_bound(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "MOST_REMEMBERED", 3)
    process = await start()
    for number in range(10):
        assert await is_refused(process, mint(LIVE, bytes([number]) * ENTROPY_BYTES))
    assert len(process.cache._known) == 3


async def test_what_is_remembered_is_looked_up_again_after_seconds(
    database: Database, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "REMEMBERED_SECONDS", 0.0)
    issued = await make_key(database, await make_account(database))
    process = await start()
    await process.cache.by_token(issued.secret)
    await process.cache.by_token(issued.secret)
    assert process.questions == 2


async def test_a_revoked_key_is_refused_by_all_processes_at_once(database: Database, start: Start) -> None:
    account = await make_account(database)
    issued = await make_key(database, account)
    processes = [await start(), await start()]
    for process in processes:
        await process.cache.by_token(issued.secret)
    async with database.transaction() as connection:
        await revoke_credential(connection, account.id, Kind.API_KEY, issued.credential.id, NOW)
    for process in processes:
        await until(lambda process=process: is_refused(process, issued.secret))


async def test_a_change_of_one_account_leaves_the_others_remembered(database: Database, start: Start) -> None:
    changed, other = await make_account(database), await make_account(database)
    one, two = await make_key(database, changed), await make_key(database, other)
    process = await start()
    await process.cache.by_token(one.secret)
    await process.cache.by_token(two.secret)
    async with database.transaction() as connection:
        await set_plan(connection, changed.id, "skilled")

    async def has_plan() -> bool:
        return (await process.cache.by_token(one.secret)).limit == 5000

    await until(has_plan)
    before = process.questions
    await process.cache.by_token(two.secret)
    assert process.questions == before


async def test_a_suspension_and_a_lost_domain_are_seen_at_once(database: Database, start: Start) -> None:
    account = await make_account(database)
    domain = await make_domain(database, account)
    issued = await make_key(database, account)
    process = await start()
    await process.cache.by_token(issued.secret)
    async with database.transaction() as connection:
        await suspend_account(connection, account.id, NOW)
        await delete_domain(connection, account.id, domain.id, datetime.now(UTC))

    async def is_seen() -> bool:
        found = await process.cache.by_token(issued.secret)
        return found.suspended and not found.domains

    await until(is_seen)


async def test_an_expired_key_is_refused_though_remembered(database: Database, start: Start) -> None:
    expires_at = datetime.now(UTC) + timedelta(minutes=1)
    issued = await make_key(database, await make_account(database), NewCredential("k", expires_at=expires_at))
    process = await start()
    await process.cache.by_token(issued.secret)
    process.clock.advance(61)
    assert await is_refused(process, issued.secret)
    assert process.questions == 1


async def test_another_end_is_known_to_all_processes_at_once_and_brings_no_revoked_key_back(
    database: Database, start: Start
) -> None:
    account, now = await make_account(database), datetime.now(UTC)
    issued = await make_key(database, account, NewCredential("k", expires_at=now + timedelta(hours=1)))
    processes = [await start(), await start()]
    for process in processes:
        process.clock.advance(4000)
        assert await is_refused(process, issued.secret)
    which = (account.id, Kind.API_KEY, issued.credential.id)
    async with database.transaction() as connection:
        await set_expiry(connection, *which, now + timedelta(days=1), now)

    async def goes_on(process: Process) -> bool:
        return not await is_refused(process, issued.secret)

    for process in processes:
        await until(lambda process=process: goes_on(process))
    async with database.transaction() as connection:
        await revoke_credential(connection, *which, now)
        with pytest.raises(NotFound):
            await set_expiry(connection, *which, None, now)


async def test_a_change_during_the_look_up_is_not_remembered_away(database: Database, start: Start) -> None:
    account = await make_account(database)
    issued = await make_key(database, account)
    process = await start()
    looking = asyncio.create_task(process.cache.by_token(issued.secret))
    await asyncio.sleep(0)
    process.cache._forget(account.id)
    await looking
    await process.cache.by_token(issued.secret)
    assert process.questions == 2


@pytest.fixture
def held_back(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """What is read first is told only when this is set."""
    may_tell, is_first = asyncio.Event(), iter([True])

    async def find_standings(connection: asyncpg.Connection, hashes: Sequence[bytes]) -> list[Found | None]:
        found = await lookup.find_standings(connection, hashes)
        if next(is_first, False):
            await may_tell.wait()
        return found

    monkeypatch.setattr(standing, "find_standings", find_standings)
    return may_tell


async def test_a_key_revoked_while_it_is_read_with_others_is_refused_from_then_on(
    database: Database, start: Start, held_back: asyncio.Event
) -> None:
    account, other = await make_account(database), await make_account(database)
    revoked, kept = await make_key(database, account), await make_key(database, other)
    process = await start()
    reading = [asyncio.create_task(process.cache.by_token(one.secret)) for one in (revoked, kept)]
    await until(lambda: has_asked(process))
    async with database.transaction() as connection:
        await revoke_credential(connection, account.id, Kind.API_KEY, revoked.credential.id, NOW)
    await until(lambda: has_heard(process))
    # Who comes after it waits for nobody who read before it
    assert await is_refused(process, revoked.secret)
    assert not any(one.done() for one in reading)
    held_back.set()
    await asyncio.gather(*reading)
    assert await is_refused(process, revoked.secret)
    before = process.questions
    assert (await process.cache.by_token(kept.secret)).account_id == other.id
    assert process.questions == before + 1


async def test_who_goes_away_takes_nobody_along(database: Database, start: Start, held_back: asyncio.Event) -> None:
    one, other = [await make_key(database, await make_account(database)) for _ in range(2)]
    process = await start()
    leaving, same, beside = [asyncio.create_task(process.cache.by_token(issued.secret)) for issued in (one, one, other)]
    await until(lambda: has_asked(process))
    leaving.cancel()
    await asyncio.wait([leaving])
    held_back.set()
    assert (await same).credential_id == one.credential.id
    assert (await beside).credential_id == other.credential.id
    assert process.questions == 1


async def has_asked(process: Process) -> bool:
    return process.questions > 0


async def has_heard(process: Process) -> bool:
    return not process.cache._loading


async def test_when_the_listening_connection_is_lost_everything_is_forgotten_and_heard_again(
    database: Database, start: Start
) -> None:
    account = await make_account(database)
    issued = await make_key(database, account)
    process = await start()
    await process.cache.by_token(issued.secret)
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    )
    async with database.reading() as connection:
        await connection.execute(text(kill))

    async def is_forgotten() -> bool:
        await process.cache.by_token(issued.secret)
        return process.questions > 1

    await until(is_forgotten)

    async def is_heard() -> bool:
        return process.cache._changes.hears

    await until(is_heard)
    await process.cache.by_token(issued.secret)
    async with database.transaction() as connection:
        await revoke_credential(connection, account.id, Kind.API_KEY, issued.credential.id, NOW)
    await until(lambda: is_refused(process, issued.secret))


async def test_before_it_listens_nothing_is_remembered(database: Database) -> None:
    issued = await make_key(database, await make_account(database))
    process = Process(database.url)
    await process.cache.by_token(issued.secret)
    await process.cache.by_token(issued.secret)
    await process.database.close()
    assert process.questions == 2


async def test_without_postgresql_the_start_says_so() -> None:
    process = Process("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(ServiceUnavailable):
        await process.cache.start()
    tokens = [UNKNOWN, UNKNOWN, mint(LIVE, b"\x08" * ENTROPY_BYTES)]
    for _ in range(2):
        told = await asyncio.gather(*map(process.cache.by_token, tokens), return_exceptions=True)
        assert [type(one) for one in told] == [ServiceUnavailable] * 3


async def test_an_smtp_login_needs_both_halves(database: Database, start: Start) -> None:
    account = await make_account(database)
    issued = await make_smtp_login(database, account)
    username = issued.credential.username or ""
    cache = (await start()).cache
    assert (await cache.by_smtp_login(username, issued.secret)).account_id == account.id
    words = set()
    wrong = mint(SMTP, b"\x01" * ENTROPY_BYTES)
    for name, password in [(username, wrong), ("nobody", issued.secret), ("nobody", wrong), (username, ""), ("", "x")]:
        with pytest.raises(Forbidden) as caught:
            await cache.by_smtp_login(name, password)
        words.add(caught.value.message)
    assert len(words) == 1


async def test_an_api_key_is_a_password_for_any_user_name(database: Database, start: Start) -> None:
    account = await make_account(database)
    issued = await make_key(database, account)
    cache = (await start()).cache
    for username in ("resend", "", "\udcff"):
        assert (await cache.by_smtp_login(username, issued.secret)).account_id == account.id


async def test_the_last_use_is_written_at_most_once_a_minute(database: Database, start: Start) -> None:
    issued = await make_key(database, await make_account(database))
    process = await start()
    written = []
    for seconds in (0, 30, 31):
        process.clock.advance(seconds)
        await process.cache.by_token(issued.secret)
        await process.cache._usage.write()
        async with database.reading() as connection:
            row = await connection.execute(
                text("SELECT last_used_at FROM credentials WHERE id = :id"), {"id": issued.credential.id}
            )
            written.append(row.scalar_one())
    assert written[0] == written[1]
    assert written[2] == process.clock.now()


async def test_the_last_use_of_many_is_written_few_at_once(
    database: Database, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "_AT_ONCE", 2)
    account = await make_account(database)
    issued = [await make_key(database, account) for _ in range(5)]
    process = await start()
    for one in issued:
        await process.cache.by_token(one.secret)
    await process.cache._usage.write()
    written = text("SELECT last_used_at FROM credentials WHERE account_id = :id")
    async with database.reading() as connection:
        rows = await connection.execute(written, {"id": account.id})
    assert rows.scalars().all() == [process.clock.now()] * 5
    assert process.cache._usage.credentials == set()


async def test_the_last_use_is_kept_while_postgresql_is_away() -> None:
    log = usage.UsageLog(Database("postgresql://nobody@127.0.0.1:1/nothing"), FakeClock())
    log.credentials |= (used := {new_id() for _ in range(3)})
    await log.write()
    assert log.credentials == used


async def test_the_last_use_is_written_when_the_process_stops(database: Database, start: Start) -> None:
    issued = await make_key(database, await make_account(database))
    process = await start()
    await process.cache.by_token(issued.secret)
    await process.cache.stop()
    async with database.reading() as connection:
        row = await connection.execute(
            text("SELECT last_used_at FROM credentials WHERE id = :id"), {"id": issued.credential.id}
        )
        assert row.scalar_one() == process.clock.now()


async def test_a_standing_knows_whose_sent_folders_show_what_is_sent(database: Database, start: Start) -> None:
    account = await make_account(database)
    domain = await make_domain(database, account)
    new = NewMailbox(f"hi@{domain.name}", "no hash", "Hi", aliases=(f"hello@{domain.name}",))
    async with database.transaction() as connection:
        mailbox = await create_mailbox(connection, account.id, new, NOW)
    issued = await make_key(database, account)
    process = await start()
    filed = {f"hi@{domain.name}": mailbox.id, f"hello@{domain.name}": mailbox.id}
    assert (await process.cache.by_token(issued.secret)).files_for == filed
    async with database.transaction() as connection:
        await set_filing(connection, account.id, Kind.API_KEY, issued.credential.id, files_sent=False)

    async def is_told() -> bool:
        return (await process.cache.by_token(issued.secret)).files_for == {}

    await until(is_told)
