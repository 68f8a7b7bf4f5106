"""What the schedule does for domains: a round beside it, and a letter to the owner of what is lost."""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy
from types import SimpleNamespace

import pytest

from hourpost.domains.names import ownership_name
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.clock import SystemClock
from hourpost.settings import Settings
from tests.cast import make_account, make_domain
from tests.fakes.dns_server import run_dns_server
from tests.fakes.intake import RecordingIntake
from workers.domains import DomainChores


@pytest.fixture
async def parts(fresh_database):
    async with run_dns_server() as dns:
        settings = Settings(
            _env_file=None,
            dns_servers=dns.address,
            base_url="https://post.example",
            system_sender="Hourpost <hello@post.example>",
        )
        yield SimpleNamespace(
            settings=settings, database=fresh_database, intake=RecordingIntake(), clock=SystemClock(), dns=dns
        )


async def look_up(chores):
    (chore,) = chores.chores()
    await chore.work()
    await chore.work()  # one is under way already
    async with asyncio.timeout(20):
        await chores._round


async def age(parts):
    async with parts.database.hot_transaction() as connection:
        await connection.execute("UPDATE domains SET last_checked_at = now() - interval '2 days'")


async def test_the_owner_of_a_domain_that_lost_its_proof_gets_a_letter(parts):
    ours = await make_domain(parts.database, await make_account(parts.database), "post.example")
    account = await make_account(parts.database)
    lost = await make_domain(parts.database, account)
    for domain in (ours, lost):
        parts.dns.publish(ownership_name(domain.name), f"hourpost-verification={domain.ownership_token}")
    parts.dns.records.pop(ownership_name(lost.name))
    parts.dns.publish(f"{lost.dkim_selector}._domainkey.{lost.name}", lost.dkim_rsa_public)
    parts.dns.publish(f"{ours.dkim_selector}._domainkey.{ours.name}", ours.dkim_rsa_public)
    await age(parts)
    await look_up(DomainChores(parts))
    (order,) = parts.intake.orders
    letter = message_from_bytes(order.submissions[0].content, policy=policy.SMTP)
    assert (order.submissions[0].recipients, letter["From"]) == ((account.email,), "Hourpost <hello@post.example>")
    assert lost.name in letter["Subject"]
    assert f"https://post.example/app/domains/{lost.public_id}" in letter.get_body(("plain",)).get_content()


async def test_a_letter_that_stumbled_is_written_with_the_next_round_once_to_each(parts):
    ours = await make_domain(parts.database, await make_account(parts.database), "post.example")
    account = await make_account(parts.database)
    lost = await make_domain(parts.database, account)
    parts.dns.publish(ownership_name(ours.name), f"hourpost-verification={ours.ownership_token}")
    parts.dns.publish(f"{ours.dkim_selector}._domainkey.{ours.name}", ours.dkim_rsa_public)
    parts.dns.publish(f"{lost.dkim_selector}._domainkey.{lost.name}", lost.dkim_rsa_public)
    await age(parts)
    chores = DomainChores(parts)
    parts.intake.error = ServiceUnavailable("PostgreSQL is away")
    await look_up(chores)
    parts.intake.error = None
    await look_up(chores)
    await look_up(chores)
    (order,) = parts.intake.orders
    assert order.submissions[0].recipients == (account.email,)
    assert account.email in order.idempotency_key
    assert lost.public_id in order.idempotency_key


async def test_a_letter_that_cannot_be_sent_stops_no_round(parts):
    lost = await make_domain(parts.database, await make_account(parts.database))
    await age(parts)
    await look_up(DomainChores(parts))  # the domain of our own sender is not verified
    assert parts.intake.orders == []
    async with parts.database.hot_transaction() as connection:
        query = "SELECT proof_missing_since IS NOT NULL FROM domains WHERE id = $1"
        assert await connection.fetchval(query, lost.id)
