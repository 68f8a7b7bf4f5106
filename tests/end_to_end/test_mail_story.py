"""A day of two mailboxes: one is read on a desktop and a phone by IMAP, the other is fetched by POP3, and both answer.

Each device talks to another process, and nothing but PostgreSQL and Redis is between them.
"""

from __future__ import annotations

import asyncio
import os
import poplib
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from imapclient import IMAPClient
from sqlalchemy import select

from hourpost.accounts.passwords import hash_password
from hourpost.database import Database
from hourpost.mailboxes.changes import NewMailbox, create_mailbox, set_auto_reply
from hourpost.rules.auto_reply import AutoReply
from hourpost.tables import Mailbox
from tests.cast import make_account, make_domain
from tests.end_to_end.fleet import Part
from tests.fixtures.ports import free_port

PASSWORD = "correct horse battery staple"
PATIENCE = 90.0


@dataclass
class House:
    """Every part of the mail service, IMAP twice; ``ports`` by what listens there."""

    domain: str
    ports: dict[str, int]
    parts: list[Part] = field(default_factory=list)
    tls: ssl.SSLContext = field(default_factory=ssl._create_unverified_context)

    def address(self, name: str) -> str:
        return f"{name}@{self.domain}"

    def bring(self, subject: str, *names: str, sender: str = "ada@elsewhere.test") -> None:
        """Mail from elsewhere, by port 25."""
        to = [self.address(name) for name in names]
        letter = (
            f"From: {sender}\r\nTo: {', '.join(to)}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@elsewhere.test>"
        )
        with smtplib.SMTP("127.0.0.1", self.ports["SMTP"], timeout=PATIENCE) as smtp:
            smtp.sendmail(sender, to, f"{letter}\r\n\r\nHello.\r\n")

    def device(self, process: str, name: str) -> IMAPClient:
        """A logged-in mail client on one of the IMAP processes, with its INBOX open."""
        client = IMAPClient("127.0.0.1", self.ports[process], ssl_context=self.tls, timeout=PATIENCE)
        client.login(self.address(name), PASSWORD)
        client.select_folder("INBOX")
        return client

    def fetcher(self, name: str) -> poplib.POP3_SSL:
        client = poplib.POP3_SSL("127.0.0.1", self.ports["POP3S"], timeout=PATIENCE, context=self.tls)
        client.user(self.address(name))
        client.pass_(PASSWORD)
        return client

    def answer(self, sender: str, recipient: str, subject: str, refers_to: str) -> bytes:
        """An answer over port 465, by who has the mailbox; gives its bytes."""
        letter = (
            f"From: {self.address(sender)}\r\nTo: {self.address(recipient)}\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject}@{self.domain}>\r\nIn-Reply-To: {refers_to}\r\n\r\nMy answer.\r\n"
        )
        with smtplib.SMTP_SSL("127.0.0.1", self.ports["SUBMISSIONS"], timeout=PATIENCE, context=self.tls) as smtp:
            smtp.login(self.address(sender), PASSWORD)
            smtp.sendmail(self.address(sender), [self.address(recipient)], letter)
        return letter.encode()


@pytest.fixture
def house(fresh_database_url: str, redis_url: str, tmp_path: Path) -> Iterator[House]:
    names = ("SMTP", "SUBMISSION", "SUBMISSIONS", "IMAP", "IMAPS", "POP3", "POP3S", "IMAP_2", "IMAPS_2")
    one = House(asyncio.run(furnish(fresh_database_url)), {name: free_port() for name in names})
    settings = {
        "DATABASE_URL": fresh_database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "a secret of the tests, long enough",
        "RELAYS": "smtp://nobody:nothing@127.0.0.1:1?tls=none",  # everything here is for mailboxes of ours
        "HOSTNAME": "mail.test",
        "SWEEP_SECONDS": "1",
    }
    settings |= {f"{name}_PORT": str(one.ports[name]) for name in names[:7]}
    second = {"IMAP_PORT": str(one.ports["IMAP_2"]), "IMAPS_PORT": str(one.ports["IMAPS_2"])}
    for number, name in enumerate(("smtp", "worker", "scheduler", "imap", "imap", "pop3")):
        given = settings | (second if number == 4 else {})
        home = tmp_path / f"{number}-{name}"
        one.parts.append(Part(name, home, os.environ | {f"HOURPOST_{key}": value for key, value in given.items()}))
    try:
        for part in one.parts:
            part.start()
        for part in one.parts:
            part.wait(90.0)
        yield one
    finally:
        for part in one.parts:
            part.end()


async def furnish(url: str) -> str:
    """An account with two mailboxes; gives its domain."""
    database = Database(url, pool_size=1)
    account = await make_account(database)
    domain = await make_domain(database, account)
    password_hash = await hash_password(PASSWORD)
    async with database.transaction() as connection:
        for name in ("desk", "shop"):
            new = NewMailbox(f"{name}@{domain.name}", password_hash, name)
            await create_mailbox(connection, account.id, new, datetime.now(UTC))
    await database.close()
    return domain.name


async def go_away(url: str, address: str) -> None:
    """Let a mailbox answer by itself."""
    database = Database(url, pool_size=1)
    async with database.transaction() as connection:
        row = (await connection.execute(select(Mailbox).where(Mailbox.address == address))).one()
        await set_auto_reply(connection, row.account_id, row.id, AutoReply("I am away."))
    await database.close()


def subjects(client: IMAPClient) -> list[str]:
    found = client.fetch(client.search("ALL"), ["ENVELOPE"])
    return [found[uid][b"ENVELOPE"].subject.decode() for uid in sorted(found)]


@pytest.mark.timeout(600)
def test_two_devices_a_pop3_client_and_their_answers(house: House, fresh_database_url: str) -> None:
    desktop, phone = house.device("IMAPS", "desk"), house.device("IMAPS_2", "desk")

    # Mail comes in, and both devices are told
    phone.idle()
    house.bring("first", "desk", "shop")
    wait_for(lambda: any(b"EXISTS" in told for told in phone.idle_check(timeout=1)))
    phone.idle_done()
    wait_for(lambda: subjects(phone) == ["first"])
    wait_for(lambda: subjects(desktop) == ["first"])

    # A flag on the one is a flag on the other, and so is a move, either way
    house.bring("second", "desk", "shop")
    wait_for(lambda: subjects(phone) == subjects(desktop) == ["first", "second"])
    for uid, (here, there) in enumerate(((desktop, phone), (phone, desktop)), 1):
        told = while_idle(there, partial(here.add_flags, uid, [b"\\Flagged", b"$Work"]), b"FETCH")
        assert (uid, b"FETCH") in [line[:2] for line in told]
        assert {b"\\Flagged", b"$Work"} <= set(there.get_flags([uid])[uid])
    for left, (here, there) in (1, (phone, desktop)), (0, (desktop, phone)):
        uid = here.search("ALL")[0]
        assert (1, b"EXPUNGE") in while_idle(there, partial(here.move, [uid], "Archive"), b"EXPUNGE")
        assert len(subjects(there)) == left
        there.select_folder("Archive")
        assert subjects(there) == ["first", "second"][: 2 - left]
        there.select_folder("INBOX")

    # The other mailbox is fetched and emptied
    fetching = house.fetcher("shop")
    assert fetching.stat()[0] == 2
    for number, name in enumerate((b"first", b"second"), 1):
        assert b"Subject: " + name in fetching.retr(number)[1]
        fetching.dele(number)
    fetching.quit()
    emptied = house.fetcher("shop")
    assert emptied.stat()[0] == 0
    emptied.quit()

    # Both answer, and the answers arrive
    house.answer("shop", "desk", "from-the-shop", "<first@elsewhere.test>")
    wait_for(lambda: subjects(phone) == ["from-the-shop"])
    wait_for(lambda: subjects(desktop) == ["from-the-shop"])
    sent = house.answer("desk", "shop", "from-the-desk", f"<from-the-shop@{house.domain}>")
    wait_for(lambda: fetched(house) == [b"Subject: from-the-desk"])

    # The desktop files what it has sent, and is told there what became of it
    desktop.append("Sent", sent, flags=[b"\\Seen"])
    desktop.select_folder("Sent")
    wait_for(lambda: b"$Delivered" in desktop.get_flags(desktop.search("ALL")).popitem()[1])
    for device in (desktop, phone):
        device.logout()

    # Who is away answers by itself: the shop writes by port 25 and then by 465, and is told once
    asyncio.run(go_away(fresh_database_url, house.address("desk")))
    house.bring("are-you-there", "desk", sender=house.address("shop"))
    told = [b"Subject: from-the-desk", b"Subject: Auto: are-you-there"]
    wait_for(lambda: fetched(house) == told)
    house.answer("shop", "desk", "still-away", "<first@elsewhere.test>")
    desktop = house.device("IMAPS", "desk")
    wait_for(lambda: subjects(desktop)[-1] == "still-away")
    house.bring("last", "shop")
    wait_for(lambda: fetched(house) == [*told, b"Subject: last"])
    desktop.logout()


def while_idle(client: IMAPClient, act: Callable[[], object], word: bytes) -> list[tuple[object, ...]]:
    """What a client that idles is told of what somebody else does, up to ``word``."""
    told: list[tuple[object, ...]] = []

    def has_come() -> bool:
        told.extend(client.idle_check(timeout=1))
        return any(word in line for line in told)

    client.idle()
    act()
    wait_for(has_come)
    client.idle_done()
    return told


def fetched(house: House) -> list[bytes]:
    """The subjects that POP3 finds."""
    client = house.fetcher("shop")
    count = client.stat()[0]
    lines = [line for number in range(1, count + 1) for line in client.retr(number)[1]]
    client.quit()
    return [line for line in lines if line.startswith(b"Subject:")]


def wait_for(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.1)
