"""The mailbox store by itself, on a durable PostgreSQL of its own: ``python -m bench.mailbox_store``."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import uvloop

from hourpost.accounts.changes import NewAccount, create_account
from hourpost.database import Database
from hourpost.domains.changes import Findings, add_domain, prepare_domain, record_findings
from hourpost.embedded.postgres import EmbeddedPostgres
from hourpost.embedded.program import spawn, stop, wait_until_ready
from hourpost.embedded.redis import EmbeddedRedis
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.encryption import Cipher
from hourpost.gateways.folder_feed import RedisFolderFeed
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.contents import read_contents
from hourpost.mailboxes.folders import get_folder, select_folder
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.messages import Want, list_rows, list_uids
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.search_conditions import SearchScope
from hourpost.mailboxes.store import MailStore
from hourpost.mailboxes.uid_ranges import ALL_UIDS
from hourpost.rules.mail.search_keys import InText
from hourpost.rules.mail_flags import Flag
from migrations.upgrade import upgrade

NOW = datetime.now(UTC)
Place = tuple[UUID, UUID]


def letter(number: int, size: int) -> bytes:
    """A message of about ``size`` bytes."""
    head = (
        f"Received: from mx.example.net (mx.example.net [192.0.2.1]) by mail.acme.test with ESMTPS id {number};\r\n"
        f"\tMon, 1 Jun 2026 10:00:00 +0000\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\n"
        f"From: Ann Example <ann@example.net>\r\nTo: Bob <bob@acme.test>\r\nSubject: Letter number {number}\r\n"
        f"Message-ID: <{uuid4().hex}@example.net>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    line = f"The quick brown fox number {number} jumps over the lazy dog, again and again.\r\n"
    return (head + line * max(1, (size - len(head)) // len(line))).encode()


async def make_places(database: Database, count: int) -> list[Place]:
    """Mailboxes of one account, each with its INBOX."""
    domain = await prepare_domain("bench.test", Cipher("a secret of the bench, long enough"))
    places = []
    async with database.transaction() as connection:
        account = await create_account(connection, NewAccount("Bench", "bench@bench.test", "path"), NOW)
        added = await add_domain(connection, account.id, domain, NOW)
        await record_findings(connection, account.id, added.id, Findings(owned=True, signs=True), NOW)
        mailboxes = [
            await create_mailbox(connection, account.id, NewMailbox(f"b{n}@bench.test", "no hash"), NOW)
            for n in range(count)
        ]
    async with database.hot_statements() as connection:
        for mailbox in mailboxes:
            places.append((mailbox.id, (await get_folder(connection, mailbox.id, "INBOX")).id))
    return places


async def rate(what: str, count: int, writers: int, one: Callable[[int], Awaitable[object]]) -> None:
    """Run ``one`` for each of ``count`` numbers by so many writers, and say how many a second that was."""
    numbers = iter(range(count))
    cpu, started = time.process_time(), time.perf_counter()

    async def write() -> None:
        for number in numbers:
            await one(number)

    await asyncio.gather(*(write() for _ in range(writers)))
    seconds = time.perf_counter() - started
    cpu_ms = (time.process_time() - cpu) / count * 1e3
    print(f"{what:<52} {count / seconds:>10,.0f} /s   {cpu_ms:.2f} ms of our CPU each", flush=True)


async def span(what: str, one: Callable[[], Awaitable[object]], times: int = 5) -> None:
    """Say what the quickest of some runs took."""
    best = float("inf")
    for _ in range(times):
        started = time.perf_counter()
        await one()
        best = min(best, time.perf_counter() - started)
    print(f"{what:<52} {best * 1e3:>10,.2f} ms", flush=True)


async def measure(store: MailStore, places: list[Place], many: int) -> None:
    """Appends, then what a client reads of small and of large folders."""
    small, busy, large, *others = places
    for size in (2000, 7000):
        contents = [letter(number, size) for number in range(2000)]
        for writers in (1, 8, 32):
            name = f"append {size // 1000} KB, one folder, writers: {writers}"
            await rate(name, 2000, writers, lambda n: store.append(*busy, NewMessage(contents[n])))  # noqa: B023
        name = f"deliver {size // 1000} KB, {len(others)} mailboxes, writers: 16"
        await rate(name, 2000, 16, lambda n: store.append(*others[n % len(others)], NewMessage(contents[n])))  # noqa: B023
    for place, count in ((small, 1000), (large, many)):
        for start in range(0, count, 500):
            news = [NewMessage(letter(n, 7000 if count == 1000 else 2000)) for n in range(start, start + 500)]
            await store.append_all(*place, news)
        await read(store, place, f"{count:,}")
    ids = [row.content_id for row in await store.read(list_rows, small[1], ALL_UIDS, Want.IDS)]
    await span("bodies of 1,000, 7 KB", lambda: store.read(read_contents, ids))
    flags = FlagChange(Way.ADD, Flag.SEEN)
    await rate("store one flag", 500, 1, lambda n: store.store_flags(*small, [(n + 1, n + 1)], flags))
    await span("copy 1,000", lambda: store.copy(*small, ALL_UIDS, small[1]), 1)
    await span("expunge 500", lambda: store.remove(*small, [(1, 500)]), 1)


async def read(store: MailStore, place: Place, count: str) -> None:
    """What a client asks of a folder when it opens it."""
    mailbox_id, folder_id = place
    await span(f"SELECT of {count}", lambda: store.read(select_folder, mailbox_id, "INBOX"))
    await span(f"UIDs of {count}", lambda: store.read(list_uids, folder_id))
    await span(f"flags of {count}", lambda: store.read(list_rows, folder_id, ALL_UIDS))
    want = Want.ENVELOPE | Want.SIZE | Want.DATES
    first = [(1, 10_000)]
    await span(f"envelope, size, date of {count} (first 10,000)", lambda: store.read(list_rows, folder_id, first, want))
    structure = Want.BODYSTRUCTURE
    await span(f"bodystructure of {count} (first 10,000)", lambda: store.read(list_rows, folder_id, first, structure))
    await span(
        f"flags changed since, of {count}", lambda: store.read(list_rows, folder_id, ALL_UIDS, changed_since=9**9)
    )
    await span(f"search TEXT in {count}", lambda: store.search(*place, InText("nowhere at all"), SearchScope(NOW)), 2)


async def main(postgres: str, redis: str, many: int) -> None:
    """Prepare, measure, end."""
    database = Database(postgres)
    await upgrade(database)
    store = MailStore(database, RedisFolderFeed(redis), SystemClock())
    await store.start()
    await measure(store, await make_places(database, 23), many)
    await store.stop()
    await database.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="hourpost bench ") as folder:
        servers = EmbeddedPostgres(Path(folder) / "postgres"), EmbeddedRedis(Path(folder) / "redis")
        programs = [server.program() for server in servers]
        children = [spawn(program, output=subprocess.DEVNULL) for program in programs]
        try:
            for program, child in zip(programs, children, strict=True):
                wait_until_ready(program, child)
            large_count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
            uvloop.run(main(servers[0].url(), servers[1].url(), large_count))
        finally:
            for program, child in zip(programs, children, strict=True):
                stop(program, child)
