"""Domains: added, proved in DNS, deleted; and the keys that sign for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import idna
import pytest
import pytest_asyncio
from sqlalchemy import text

from hourpost.accounts.changes import set_ed25519_signing
from hourpost.credentials.changes import NewCredential
from hourpost.credentials.lookup import find_account_standings
from hourpost.credentials.queries import Kind, list_credentials
from hourpost.database import Database
from hourpost.domains.changes import add_domain, delete_domain, prepare_domain, set_signatures
from hourpost.domains.mail_servers import list_mail_records, mail_servers
from hourpost.domains.names import is_reserved
from hourpost.domains.queries import Domain, Status, get_domain, get_named_domain, list_domains, load_dkim_keys
from hourpost.domains.records import list_records
from hourpost.domains.verification import Verifier
from hourpost.errors import Conflict, NotFound, ValidationFailed
from hourpost.gateways.dns import DnsUnavailable, ResolverDns
from hourpost.gateways.encryption import CannotDecrypt, Cipher
from hourpost.pages import Cursor
from hourpost.rules.dkim import load_signing_key
from hourpost.settings import Settings
from tests.cast import CIPHER, make_account, make_domain, make_key
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import DnsServer, run_dns_server

NOW = datetime.now(UTC)


@pytest_asyncio.fixture
async def dns_server() -> AsyncIterator[DnsServer]:
    async with run_dns_server() as server:
        yield server


@pytest.fixture
def verifier(database: Database, dns_server: DnsServer, clock: FakeClock) -> Verifier:
    return Verifier(database, ResolverDns(dns_server.address, timeout_seconds=10, lifetime_seconds=20), clock)


def new_name() -> str:
    return f"d{uuid4().hex[:12]}.com"


async def add(database: Database, name: str = "") -> Domain:
    return await make_domain(database, await make_account(database), name or new_name(), verified=False)


def publish(server: DnsServer, domain: Domain, *kinds: str) -> None:
    for record in list_records(domain):
        if not kinds or record.record in kinds:
            server.publish(record.name, "v=spf1 -all", record.value)


async def test_a_new_domain_asks_for_two_records(database: Database) -> None:
    domain = await add(database)
    ownership, dkim = list_records(domain)
    assert ownership.to_dict() == {
        "record": "Ownership",
        "name": f"_hourpost.{domain.name}",
        "type": "TXT",
        "ttl": "Auto",
        "status": "not_started",
        "value": f"hourpost-verification={domain.ownership_token}",
    }
    assert dkim.name == f"{domain.dkim_selector}._domainkey.{domain.name}"
    assert dkim.value.startswith("v=DKIM1; k=rsa; p=")


async def test_names_are_stored_in_one_form(database: Database) -> None:
    name = f"bücher-{uuid4().hex[:8]}.example"
    assert (await add(database, f"{name.upper()}.")).name == idna.encode(name).decode()


@pytest.mark.parametrize("name", ["", "localhost", "a b.com", "user@acme.com", "x" * 300, "-.com", "1.2.3.4"])
async def test_what_is_no_domain_is_refused(name: str) -> None:
    with pytest.raises(ValidationFailed):
        await prepare_domain(name, CIPHER)


async def test_an_account_has_a_domain_once(database: Database) -> None:
    account = await make_account(database)
    name = new_name()
    await make_domain(database, account, name, verified=False)
    with pytest.raises(Conflict, match="already"):
        await make_domain(database, account, name.upper(), verified=False)


async def test_a_domain_whose_records_are_published_is_verified(
    database: Database, dns_server: DnsServer, verifier: Verifier
) -> None:
    domain = await add(database)
    publish(dns_server, domain)
    found = await verifier.verify(domain.account_id, domain.id)
    assert (found.status, found.verified_at, found.dkim_seen_at) == (
        Status.VERIFIED,
        verifier.clock.now(),
        verifier.clock.now(),
    )
    assert {record.status for record in list_records(found)} == {"verified"}


async def test_ownership_is_enough_to_send_but_not_to_sign(
    database: Database, dns_server: DnsServer, verifier: Verifier
) -> None:
    domain = await add(database)
    publish(dns_server, domain, "Ownership")
    found = await verifier.verify(domain.account_id, domain.id)
    assert (found.status, found.dkim_seen_at) == (Status.VERIFIED, None)
    assert [record.status for record in list_records(found)] == ["verified", "pending"]


async def test_a_domain_is_pending_for_three_days_and_then_failed(
    database: Database, verifier: Verifier, clock: FakeClock
) -> None:
    domain = await add(database)
    assert (await verifier.verify(domain.account_id, domain.id)).status is Status.PENDING
    clock.advance(timedelta(hours=73).total_seconds())
    assert (await verifier.verify(domain.account_id, domain.id)).status is Status.FAILED


async def test_a_domain_that_lost_its_records_signs_no_more_and_is_failed_after_three_days(
    database: Database, dns_server: DnsServer, verifier: Verifier, clock: FakeClock
) -> None:
    domain = await add(database)
    publish(dns_server, domain)
    await verifier.verify(domain.account_id, domain.id)
    dns_server.records.clear()
    for hours in (0, 36, 35):
        clock.advance(timedelta(hours=hours).total_seconds())
        found = await verifier.verify(domain.account_id, domain.id)
        assert (found.status, found.dkim_seen_at) == (Status.VERIFIED, None)
        assert [record.status for record in list_records(found)] == ["failed", "pending"]
    clock.advance(timedelta(hours=1).total_seconds())
    found = await verifier.verify(domain.account_id, domain.id)
    assert found.status is Status.FAILED


async def test_a_proof_that_is_back_in_time_is_missed_from_the_beginning_the_next_time(
    database: Database, dns_server: DnsServer, verifier: Verifier, clock: FakeClock
) -> None:
    domain = await add(database)
    publish(dns_server, domain)
    first = await verifier.verify(domain.account_id, domain.id)
    for _ in range(2):
        dns_server.records.clear()
        await verifier.verify(domain.account_id, domain.id)
        clock.advance(timedelta(hours=48).total_seconds())
        publish(dns_server, domain)
        found = await verifier.verify(domain.account_id, domain.id)
        assert (found.status, found.verified_at, found.proof_missing_since) == (
            Status.VERIFIED,
            first.verified_at,
            None,
        )


@pytest.mark.parametrize("gone", ["rsa", "ed25519"])
async def test_a_key_whose_record_is_gone_does_not_sign_and_the_other_does(
    database: Database, dns_server: DnsServer, verifier: Verifier, gone: str
) -> None:
    added = await add(database)
    async with database.transaction() as connection:
        await set_ed25519_signing(connection, added.account_id, wanted=True)
        domain = await get_domain(connection, added.account_id, added.id)
    publish(dns_server, domain)
    await verifier.verify(domain.account_id, domain.id)
    _, rsa, ed25519 = list_records(domain)
    dns_server.publish((rsa if gone == "rsa" else ed25519).name)
    found = await verifier.verify(domain.account_id, domain.id)
    assert [record.status for record in list_records(found)][1:] == (
        ["pending", "verified"] if gone == "rsa" else ["verified", "pending"]
    )
    async with database.reading() as connection:
        keys = await load_dkim_keys(connection, CIPHER, domain.id)
    async with database.hot_statements() as hot:
        (found,) = await find_account_standings(hot, [domain.account_id])
    assert [key.algorithm for key in keys] == ["ed25519-sha256" if gone == "rsa" else "rsa-sha256"]
    assert found is not None
    assert found.standing.domains[domain.name].signs


async def test_when_dns_is_away_a_verified_domain_stays_so(
    database: Database, dns_server: DnsServer, verifier: Verifier
) -> None:
    domain = await add(database)
    publish(dns_server, domain)
    before = await verifier.verify(domain.account_id, domain.id)
    dns_server.broken.add(f"_hourpost.{domain.name}")
    with pytest.raises(DnsUnavailable):
        await verifier.verify(domain.account_id, domain.id)
    async with database.reading() as connection:
        assert await get_domain(connection, domain.account_id, domain.id) == before


async def test_another_domains_token_proves_nothing(
    database: Database, dns_server: DnsServer, verifier: Verifier
) -> None:
    mine, theirs = await add(database), await add(database)
    dns_server.publish(f"_hourpost.{mine.name}", f"hourpost-verification={theirs.ownership_token}")
    assert (await verifier.verify(mine.account_id, mine.id)).status is Status.PENDING


async def test_a_domain_is_verified_for_one_account_only(
    database: Database, dns_server: DnsServer, verifier: Verifier
) -> None:
    name = new_name()
    first, second = await add(database, name), await add(database, name)
    publish(dns_server, first, "Ownership")
    await verifier.verify(first.account_id, first.id)
    publish(dns_server, second, "Ownership")
    with pytest.raises(Conflict, match="another account") as caught:
        await verifier.verify(second.account_id, second.id)
    assert caught.value.name == "domain_taken"
    async with database.transaction() as connection:
        await delete_domain(connection, first.account_id, first.id, datetime.now(UTC))
    assert (await verifier.verify(second.account_id, second.id)).status is Status.VERIFIED


async def test_reserved_names_verify_by_themselves_where_that_is_wanted(
    database: Database, dns_server: DnsServer, verifier: Verifier
) -> None:
    domain = await add(database, f"d{uuid4().hex[:8]}.test")
    assert (await verifier.verify(domain.account_id, domain.id)).status is Status.PENDING
    embedded = Verifier(database, verifier.dns, verifier.clock, trusts_reserved=True)
    found = await embedded.verify(domain.account_id, domain.id)
    assert found.status is Status.VERIFIED
    assert found.dkim_seen_at is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("acme.test", True), ("a.b.example", True), ("x.localhost", True), ("test", True), ("acme.test.com", False),
     ("attest", False), ("example.com", False)],
)  # fmt: skip
def test_only_names_that_nobody_can_own_are_reserved(name: str, expected: bool) -> None:
    assert is_reserved(name) is expected


async def test_a_stranger_has_no_part_in_a_domain(database: Database, verifier: Verifier) -> None:
    domain = await add(database)
    stranger = await make_account(database)
    async with database.transaction() as connection:
        for attempt in (
            get_domain(connection, stranger.id, domain.id),
            get_named_domain(connection, stranger.id, domain.name),
            delete_domain(connection, stranger.id, domain.id, datetime.now(UTC)),
        ):
            with pytest.raises(NotFound):
                await attempt
        assert (await list_domains(connection, stranger.id, Cursor())).data == []
    with pytest.raises(NotFound):
        await verifier.verify(stranger.id, domain.id)


async def test_a_domain_is_found_by_name_and_by_id(database: Database) -> None:
    domain = await add(database)
    async with database.reading() as connection:
        for word in (domain.public_id, domain.name.upper()):
            assert await get_named_domain(connection, domain.account_id, word) == domain
        assert (await list_domains(connection, domain.account_id, Cursor())).data == [domain]


async def test_a_deleted_domain_takes_its_keys_along(database: Database) -> None:
    account = await make_account(database)
    domain = await make_domain(database, account)
    await make_key(database, account, NewCredential("k", domain_id=domain.id))
    async with database.transaction() as connection:
        await delete_domain(connection, account.id, domain.id, datetime.now(UTC))
        assert (await list_credentials(connection, account.id, Kind.API_KEY, Cursor())).data == []
        with pytest.raises(NotFound):
            await delete_domain(connection, account.id, domain.id, datetime.now(UTC))


async def test_the_signing_keys_come_back_as_they_were_made(database: Database) -> None:
    domain = await make_domain(database, await make_account(database))
    async with database.reading() as connection:
        (key,) = await load_dkim_keys(connection, CIPHER, domain.id)
    assert load_signing_key(key.selector, key.domain, key.algorithm, key.private_pem).algorithm == "rsa-sha256"


async def test_who_asks_for_it_signs_twice_under_two_selectors(
    database: Database, dns_server: DnsServer, verifier: Verifier
) -> None:
    added = await add(database)
    async with database.transaction() as connection:
        await set_ed25519_signing(connection, added.account_id, wanted=True)
        domain = await get_domain(connection, added.account_id, added.id)
    assert len(list_records(domain)) == 3
    publish(dns_server, domain)
    await verifier.verify(domain.account_id, domain.id)
    async with database.reading() as connection:
        keys = await load_dkim_keys(connection, CIPHER, domain.id)
    loaded = [load_signing_key(key.selector, key.domain, key.algorithm, key.private_pem) for key in keys]
    assert [key.algorithm for key in loaded] == ["rsa-sha256", "ed25519-sha256"]
    assert len({key.selector for key in loaded}) == 2


async def test_a_domain_follows_its_account_until_it_chooses_for_itself(database: Database) -> None:
    account = await make_account(database)
    chose, follows = [await make_domain(database, account, new_name()) for _ in range(2)]
    wishes = []
    async with database.transaction() as connection:
        await set_signatures(connection, account.id, chose.id, signs_ed25519=True)
        for wanted in (False, True):
            await set_ed25519_signing(connection, account.id, wanted=wanted)
            wishes.append(
                [(await get_domain(connection, account.id, one.id)).signs_ed25519 for one in (chose, follows)]
            )
    assert wishes == [[True, False], [True, True]]


async def test_nobody_chooses_for_the_domain_of_another(database: Database) -> None:
    domain, stranger = await add(database), await make_account(database)
    async with database.transaction() as connection:
        with pytest.raises(NotFound):
            await set_signatures(connection, stranger.id, domain.id, signs_ed25519=True)
        assert not (await get_domain(connection, domain.account_id, domain.id)).signs_ed25519


async def test_before_its_record_is_seen_nothing_is_signed(database: Database) -> None:
    domain = await add(database)
    async with database.reading() as connection:
        assert await load_dkim_keys(connection, CIPHER, domain.id) == ()


async def test_private_keys_are_not_readable_in_the_database(database: Database) -> None:
    domain = await make_domain(database, await make_account(database))
    async with database.reading() as connection:
        row = await connection.execute(
            text("SELECT dkim_rsa_private || dkim_ed25519_private FROM domains WHERE id = :id"), {"id": domain.id}
        )
        assert b"PRIVATE KEY" not in row.scalar_one()
        with pytest.raises(CannotDecrypt):
            await load_dkim_keys(connection, Cipher("another secret key of somebody"), domain.id)


async def test_a_private_key_in_another_row_is_worthless(database: Database) -> None:
    account = await make_account(database)
    mine, other = await make_domain(database, account), await make_domain(database, account)
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE domains SET dkim_rsa_private = (SELECT dkim_rsa_private FROM domains WHERE id = :other)"
                " WHERE id = :mine"
            ),
            {"mine": mine.id, "other": other.id},
        )
        with pytest.raises(CannotDecrypt):
            await load_dkim_keys(connection, CIPHER, mine.id)


async def test_a_domain_prepared_twice_is_stored_once(database: Database) -> None:
    account = await make_account(database)
    name = new_name()
    one, two = await prepare_domain(name, CIPHER), await prepare_domain(name, CIPHER)
    async with database.transaction() as connection:
        await add_domain(connection, account.id, one, NOW)
        with pytest.raises(Conflict):
            await add_domain(connection, account.id, two, NOW)


async def test_the_records_of_mailboxes_are_looked_up_too(database: Database, verifier: Verifier, dns_server) -> None:
    servers = mail_servers(Settings(_env_file=None, hostname="mail.example", base_url="https://app.example"))
    seeing = replace(verifier, servers=servers)
    domain = await add(database)
    publish(dns_server, domain)
    imaps, pop3s = f"_imaps._tcp.{domain.name}", f"_pop3s._tcp.{domain.name}"
    dns_server.servers[domain.name, "MX"] = ["5 other.example.", "10 MAIL.example."]
    dns_server.servers[imaps, "SRV"] = ["0 1 993 mail.example."]
    dns_server.servers[pop3s, "SRV"] = ["0 1 1995 mail.example."]
    autoconfig = f"autoconfig.{domain.name}"
    dns_server.servers[autoconfig, "CNAME"] = ["App.example."]
    found = await seeing.verify(domain.account_id, domain.id)
    assert found.mail_records_seen == [domain.name, imaps, autoconfig]
    states = {one.name: one.status for one in list_mail_records(domain.name, servers, found.mail_records_seen)}
    assert (states[domain.name], states[imaps], states[pop3s]) == ("verified", "verified", "pending")
    dns_server.broken.add(imaps)
    found = await seeing.verify(domain.account_id, domain.id)
    assert found.status is Status.VERIFIED
    assert found.mail_records_seen == [domain.name, imaps, autoconfig]
