"""Domains are looked up again by themselves: when, what is noticed, and that one bad one holds up nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from hourpost.accounts.changes import set_ed25519_signing
from hourpost.database import Database
from hourpost.domains.changes import Findings, delete_domain, record_findings
from hourpost.domains.checking import Checker, Loss
from hourpost.domains.letters import tell_loss
from hourpost.domains.queries import Domain, Status, get_domain
from hourpost.domains.records import list_records
from hourpost.domains.verification import Verifier
from hourpost.gateways.dns import ResolverDns
from tests.cast import make_account, make_domain
from tests.domains.test_domains import new_name, publish
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import DnsServer, run_dns_server


@dataclass
class Watch:
    """A checker of a database of its own, and what it told."""

    database: Database
    dns: DnsServer
    clock: FakeClock
    told: list[tuple[str, Loss]] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        dns = ResolverDns(self.dns.address, timeout_seconds=10, lifetime_seconds=20)
        self.checker = Checker(Verifier(self.database, dns, self.clock), self._tell, lambda: self.seconds)

    async def _tell(self, domain: Domain, loss: Loss) -> None:
        self.told.append((domain.name, loss))

    async def add(self, *, verified: bool = True, ed25519: bool = False) -> Domain:
        """A domain whose records are published, looked up just now where it is verified."""
        account = await make_account(self.database)
        domain = await make_domain(self.database, account, new_name(), verified=False)
        async with self.database.transaction() as connection:
            await set_ed25519_signing(connection, account.id, wanted=ed25519)
            domain = await get_domain(connection, account.id, domain.id)
            publish(self.dns, domain)
            if verified:
                findings = Findings(True, True, ed25519)
                domain = await record_findings(connection, account.id, domain.id, findings, self.clock.now())
        return domain

    async def after(self, **time: float) -> int:
        """How many were due after so long."""
        self.clock.advance(timedelta(**time).total_seconds())
        return await self.checker.check_due()

    async def read(self, domain: Domain) -> Domain:
        async with self.database.reading() as connection:
            return await get_domain(connection, domain.account_id, domain.id)


@pytest_asyncio.fixture
async def watch(fresh_database: Database, clock: FakeClock) -> AsyncIterator[Watch]:
    async with run_dns_server() as server:
        yield Watch(fresh_database, server, clock)


async def test_what_is_in_order_is_looked_up_once_a_day(watch: Watch) -> None:
    await watch.add()
    assert [await watch.after(hours=hours) for hours in (23, 2, 0, 23, 2)] == [0, 1, 0, 0, 1]
    assert watch.told == []


async def test_a_new_domain_is_verified_without_being_asked(watch: Watch) -> None:
    domain = await watch.add(verified=False)
    assert [await watch.after(minutes=minutes) for minutes in (9, 2, 30)] == [0, 1, 0]
    assert (await watch.read(domain)).status is Status.VERIFIED


async def test_a_new_domain_is_given_up_after_three_days(watch: Watch) -> None:
    domain = await watch.add(verified=False)
    watch.dns.records.clear()
    assert [await watch.after(hours=hours) for hours in (1, 1, 72, 24)] == [1, 1, 1, 0]
    assert (await watch.read(domain)).status is Status.FAILED


async def test_a_proof_that_goes_is_told_once_and_ends_the_domain_after_three_days(watch: Watch) -> None:
    domain = await watch.add()
    watch.dns.publish(f"_hourpost.{domain.name}")
    assert await watch.after(hours=25) == 1
    assert watch.told == [(domain.name, Loss.PROOF)]
    assert (await watch.read(domain)).status is Status.VERIFIED
    assert [await watch.after(minutes=50), await watch.after(minutes=20)] == [0, 1]
    assert await watch.after(hours=72) == 1
    assert watch.told == [(domain.name, Loss.PROOF), (domain.name, Loss.DOMAIN)]
    assert (await watch.read(domain)).status is Status.FAILED
    assert await watch.after(days=30) == 0


async def test_a_dkim_record_that_goes_is_told_and_looked_for_every_hour(watch: Watch) -> None:
    domain = await watch.add(ed25519=True)
    second = list_records(domain)[2]
    watch.dns.publish(second.name)
    await watch.after(hours=25)
    assert watch.told == [(domain.name, Loss.SIGNATURE)]
    assert await watch.after(minutes=61) == 1
    watch.dns.publish(second.name, second.value)
    assert await watch.after(minutes=61) == 1
    found = await watch.read(domain)
    assert found.dkim_seen_at is not None
    assert found.dkim_ed25519_seen_at == watch.clock.now()
    assert await watch.after(minutes=61) == 0
    assert len(watch.told) == 1


async def test_name_servers_that_are_away_change_nothing_and_hold_up_nobody(watch: Watch) -> None:
    away, other = await watch.add(), await watch.add()
    watch.dns.broken.add(f"_hourpost.{away.name}")
    assert await watch.after(hours=25) == 2
    assert await watch.after() == 0  # it is left alone for a while
    assert (await watch.read(away)).status is Status.VERIFIED
    assert (await watch.read(other)).last_checked_at == watch.clock.now()
    watch.seconds += 1000
    assert await watch.after() == 1
    assert watch.told == []


async def test_a_domain_that_is_deleted_meanwhile_is_nobodys_trouble(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = await watch.add()
    look_up = Verifier.look_up

    async def look_up_late(self: Verifier, one: Domain) -> Findings:
        async with watch.database.transaction() as connection:
            await delete_domain(connection, one.account_id, one.id, datetime.now(UTC))
        return await look_up(self, one)

    monkeypatch.setattr(Verifier, "look_up", look_up_late)
    assert await watch.after(hours=25) == 1
    assert domain.name not in dict(watch.told)


async def test_what_is_written_to_its_owner_says_what_to_do(watch: Watch) -> None:
    domain = await watch.add()
    for loss in Loss:
        letter = tell_loss(domain, loss, "owner@acme.test", "https://post.example/domains/x")
        assert domain.name in letter.subject
        assert "{" not in letter.text
        assert "https://post.example/domains/x" in letter.html
