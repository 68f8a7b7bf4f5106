"""Signing: what goes to the relay verifies by the keys that the domain's owner was told to publish."""

from __future__ import annotations

import asyncio

import dkim
import pytest
import structlog

from hourpost.accounts.changes import set_ed25519_signing
from hourpost.domains.records import list_records
from hourpost.flow.claim import claim, enrol, load_contents
from hourpost.flow.signing import DkimSigner
from hourpost.flow.store import CHUNK_BYTES
from hourpost.gateways.encryption import Cipher
from hourpost.rules.ids import new_id
from hourpost.rules.submission import SendingDomain
from tests.cast import CIPHER, make_account, make_domain
from tests.flow.letters import letter, make_standing, order


@pytest.mark.parametrize("wants_ed25519", [False, True])
async def test_signed_mail_verifies_by_the_records_that_the_owner_publishes(rounds, wants_ed25519):
    account = rounds.account = await make_account(rounds.database)
    async with rounds.database.transaction() as connection:
        await set_ed25519_signing(connection, account.id, wanted=wants_ed25519)
    domain = await make_domain(rounds.database, account)
    names = {domain.name: SendingDomain(domain.id, domain.name, signs=True)}
    content = f"From: hi@{domain.name}\r\nTo: a@x.test\r\nSubject: signed\r\n\r\n.a\r\n..b  \r\n".encode()
    content += CHUNK_BYTES // 10 * b"a body \r\n\r\n"  # in more than one chunk
    mail = letter("a@x.test", from_address=f"hi@{domain.name}", content=content)
    await rounds.office.intake.accept(order(make_standing(account, 1000, domains=names), mail))

    taken = await _take(rounds)
    signed = await _sign(rounds, taken)
    records = {f"{record.name}.": record.value.encode() for record in list_records(domain)}
    count = signed.count(b"DKIM-Signature:")
    assert count == (2 if wants_ed25519 else 1)
    assert signed.endswith(content)
    verifier = dkim.DKIM(signed)
    assert verifier.verify(0, dnsfunc=lambda name, **_: records.get(name.decode()))
    assert (b"a=ed25519-sha256" in signed) is wants_ed25519  # dkimpy cannot verify it here; tests/rules do


async def test_mail_whose_key_cannot_be_opened_waits_and_the_log_names_the_setting(rounds):
    account = rounds.account = await make_account(rounds.database)
    domain = await make_domain(rounds.database, account)
    names = {domain.name: SendingDomain(domain.id, domain.name, signs=True)}
    mail = letter("a@x.test", from_address=f"hi@{domain.name}")
    with structlog.testing.capture_logs() as logs:
        rounds.start()._signer = DkimSigner(rounds.database, Cipher("another secret key of somebody"))
        await rounds.office.intake.accept(order(make_standing(account, 1000, domains=names), mail))
        await rounds.until(lambda now: now.row(mail.email_id).state == "deferred")
    (said,) = (one for one in logs if one["event"] == "mail cannot be signed")
    assert "HOURPOST_PREVIOUS_SECRET_KEYS" in said["error"]
    assert not any("exc_info" in one for one in logs)


async def _take(rounds):
    worker = new_id()
    async with rounds.database.transaction() as connection:
        await enrol(connection, worker, "test", 30)
    async with rounds.database.hot_transaction() as connection:
        return (await claim(connection, worker, rounds.clock.now(), 10, None))[0]


async def _sign(rounds, email):
    async with rounds.database.hot_transaction() as connection:
        chunks = (await load_contents(connection, [email.content_id]))[email.content_id]
    signer = DkimSigner(rounds.database, CIPHER)
    first, second = await signer.sign(email, chunks), await signer.sign(email, chunks)
    assert first == second
    return first + b"".join(chunks)


class Counting:
    """A database that counts who reads."""

    def __init__(self, database):
        self._database = database
        self.readings = 0

    def reading(self):
        self.readings += 1
        return self._database.reading()


async def test_hundreds_that_sign_for_one_domain_at_once_load_its_keys_once(rounds):
    """More than there are connections; each would take one, and parse the keys anew."""
    account = rounds.account = await make_account(rounds.database)
    domain = await make_domain(rounds.database, account)
    names = {domain.name: SendingDomain(domain.id, domain.name, signs=True)}
    content = f"From: hi@{domain.name}\r\nTo: a@x.test\r\n\r\nhello\r\n".encode()
    mail = letter("a@x.test", from_address=f"hi@{domain.name}", content=content)
    await rounds.office.intake.accept(order(make_standing(account, 1000, domains=names), mail))
    email, moment = await _take(rounds), [0.0]
    database = Counting(rounds.database)
    signer = DkimSigner(database, CIPHER, lambda: moment[0])
    for expected in (1, 2):
        fields = await asyncio.gather(*(signer.sign(email, [content]) for _ in range(300)))
        assert (len(set(fields)), database.readings) == (1, expected)
        moment[0] += 301


async def test_who_could_not_load_the_keys_tries_again(rounds):
    account = rounds.account = await make_account(rounds.database)
    domain = await make_domain(rounds.database, account)
    database = Counting(rounds.database)
    signer = DkimSigner(database, CIPHER)
    database._database = None
    with pytest.raises(AttributeError):
        await signer._keys(domain.id)
    database._database = rounds.database
    assert len(await signer._keys(domain.id)) == 1
