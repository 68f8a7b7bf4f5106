"""SPF, DKIM and DMARC of incoming mail against a real name server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import dkim
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hourpost.gateways.authentication import MailAuthenticator, NameServers, Received
from hourpost.gateways.authentication.dmarc_policies import organisation_of
from hourpost.gateways.authentication.lookups import LookupFailed
from hourpost.rules.authentication import Authentication
from hourpost.rules.dkim import SigningKey, generate_keys, load_signing_key, sign
from hourpost.rules.incoming import read_incoming
from tests.fakes.dns_server import DnsServer, run_dns_server

AT = datetime(2026, 11, 25, tzinfo=UTC)
LETTER = b"From: A <a@my-shop.example.org>\r\nTo: b@acme.test\r\nSubject: hello\r\n\r\nOne line.\r\n"
Keys = tuple[tuple[SigningKey, str], tuple[SigningKey, str]]


@pytest_asyncio.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with run_dns_server() as running:
        yield running


@pytest.fixture
def authenticator(server: DnsServer) -> Iterator[MailAuthenticator]:
    made = MailAuthenticator(NameServers(server.address, timeout_seconds=10))
    yield made
    made.close()


@pytest.fixture(scope="module")
def keys() -> Keys:
    rsa, ed25519 = generate_keys()
    return (
        (load_signing_key("one", "my-shop.example.org", rsa.algorithm, rsa.private_pem), rsa.record),
        (load_signing_key("two", "my-shop.example.org", ed25519.algorithm, ed25519.private_pem), ed25519.record),
    )


async def check(
    authenticator: MailAuthenticator, content: bytes = LETTER, *, sender: str = "a@my-shop.example.org"
) -> Authentication:
    domains = ("my-shop.example.org",)
    return await authenticator.authenticate(Received("192.0.2.7", "mx.example.org", sender, domains, content))


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass"),
        ("v=spf1 a:mail.example.org -all", "pass"),
        ("v=spf1 include:other.example.org ~all", "softfail"),
        ("v=spf1 -all", "fail"),
        ("v=spf1 nonsense:x -all", "permerror"),
        ("v=spf1 include:silent.example.org -all", "temperror"),
    ],
)
async def test_spf_is_evaluated_on_our_name_servers(server, authenticator, record, result):
    server.publish("my-shop.example.org", "something else", record)
    server.publish("other.example.org", "v=spf1 ip4:198.51.100.1 -all")
    server.addresses["mail.example.org"] = ["192.0.2.7"]
    server.broken.add("silent.example.org")
    assert (await check(authenticator)).spf.result == result


async def test_the_null_sender_is_judged_by_the_name_it_greets_with(server, authenticator):
    server.publish("mx.example.org", "v=spf1 ip4:192.0.2.7 -all")
    spf = (await check(authenticator, sender="")).spf
    assert (spf.result, spf.identity, spf.domain) == ("pass", "helo", "mx.example.org")


async def test_every_signature_is_verified_rsa_and_ed25519(server, authenticator, keys):
    (rsa, rsa_record), (ed25519, ed25519_record) = keys
    server.publish("one._domainkey.my-shop.example.org", rsa_record)
    server.publish("two._domainkey.my-shop.example.org", ed25519_record)
    signed = sign(LETTER, [rsa, ed25519], AT) + LETTER
    good = (await check(authenticator, signed)).signatures
    assert [(one.result, one.domain, one.selector) for one in good] == [
        ("pass", "my-shop.example.org", "one"),
        ("pass", "my-shop.example.org", "two"),
    ]
    forged = (await check(authenticator, signed.replace(b"One line", b"Two line"))).signatures
    assert [one.result for one in forged] == ["fail", "fail"]
    renamed = (await check(authenticator, signed.replace(b"Subject: hello", b"Subject: h3llo"))).signatures
    assert [one.result for one in renamed] == ["fail", "fail"]


async def test_a_signature_without_its_key_is_an_error_of_its_kind(server, authenticator, keys):
    (rsa, _), _ = keys
    signed = sign(LETTER, [rsa], AT) + LETTER
    assert [one.result for one in (await check(authenticator, signed)).signatures] == ["permerror"]


async def test_garbled_signatures_are_errors_and_never_raise(server, authenticator):
    for field in (b"v=1", b"", b"\xff\xfe", b"v=1; a=rsa-sha256; b=!; bh=?; d=..; h=from; s= "):
        found = await check(authenticator, b"DKIM-Signature: " + field + b"\r\n" + LETTER)
        assert [one.result in ("fail", "permerror") for one in found.signatures] == [True]


@pytest.mark.parametrize("form", [(b"simple", b"simple"), (b"relaxed", b"simple"), (b"simple", b"relaxed")])
@pytest.mark.parametrize("body", [b"", b"One.\r\n \r\n\r\n", b"no end"])
async def test_what_dkimpy_signs_in_any_form_is_verified(server, authenticator, form, body):
    rsa, _ = generate_keys()
    server.publish("one._domainkey.my-shop.example.org", rsa.record)
    letter = b"From: A <a@my-shop.example.org>\r\nSubject:  two\r\n\t lines \r\nX-Odd :y\r\n\r\n" + body
    private = load_pem_private_key(rsa.private_pem, None).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    names = [b"from", b"subject"]
    odd = letter.replace(b"X-Odd :y\r\n", b"")
    signed = dkim.sign(odd, b"one", b"my-shop.example.org", private, canonicalize=form, include_headers=names) + letter
    assert [one.result for one in (await check(authenticator, signed)).signatures] == ["pass"]


@pytest.mark.parametrize(
    "letter",
    [
        LETTER.replace(b"One line.", b" " * 1_000_000 + b"x"),
        LETTER.replace(b"One line.", b"a \t \r\n" * 200_000),
        LETTER + b"\r\n" * 500_000,
    ],
)
async def test_a_long_body_is_verified_in_no_time(server, authenticator, keys, letter):
    (rsa, record), _ = keys
    server.publish("one._domainkey.my-shop.example.org", record)
    signed = sign(letter, [rsa], AT) + letter
    began_at = time.process_time()
    assert [one.result for one in (await check(authenticator, signed)).signatures] == ["pass"]
    assert time.process_time() - began_at < 3.0


async def test_a_header_that_would_take_long_is_not_verified(server, authenticator, keys):
    (rsa, record), _ = keys
    server.publish("one._domainkey.my-shop.example.org", record)
    many = b"X: y\r\n" * 2000 + sign(LETTER, [rsa], AT) + LETTER
    assert [one.result for one in (await check(authenticator, many)).signatures] == ["permerror"]
    long = b"DKIM-Signature: v=1; h=" + b"a:" * 5000 + b"\r\n" + LETTER
    assert [one.result for one in (await check(authenticator, long)).signatures] == ["permerror"]


@pytest.mark.parametrize(
    ("spf", "policy", "expected"),
    [
        ("v=spf1 ip4:192.0.2.7 -all", "v=DMARC1; p=reject", ("pass", "reject")),
        ("v=spf1 -all", "v=DMARC1; p=reject; rua=mailto:x@example.org", ("fail", "reject")),
        ("v=spf1 -all", "v=DMARC1; p=quarantine;", ("fail", "quarantine")),
        ("v=spf1 -all", "v=DMARC1; p=none", ("fail", "none")),
        ("v=spf1 -all", "v=spf1 -all", ("none", "")),
    ],
)
async def test_dmarc_asks_that_what_passed_speaks_for_the_from_domain(server, authenticator, spf, policy, expected):
    server.publish("my-shop.example.org", spf)
    server.publish("_dmarc.my-shop.example.org", policy)
    found = await check(authenticator)
    assert (found.dmarc.result, found.dmarc.action) == expected
    assert found.is_unwanted is (expected in (("fail", "reject"), ("fail", "quarantine")))


async def test_the_organisation_s_policy_for_its_subdomains_counts(server, authenticator):
    server.publish("_dmarc.example.org", "v=DMARC1; p=none; sp=reject")
    assert (await check(authenticator)).is_unwanted


async def test_mail_of_another_sender_passes_spf_but_not_dmarc(server, authenticator):
    server.publish("bulk.example.net", "v=spf1 ip4:192.0.2.7 -all")
    server.publish("_dmarc.my-shop.example.org", "v=DMARC1; p=reject")
    found = await check(authenticator, sender="bounce@bulk.example.net")
    assert (found.spf.result, found.dmarc.result) == ("pass", "fail")


async def test_what_the_name_servers_do_not_answer_is_left_open(server, authenticator):
    server.broken.update({"my-shop.example.org", "_dmarc.my-shop.example.org"})
    found = await check(authenticator)
    assert (found.spf.result, found.dmarc.result) == ("temperror", "temperror")
    assert not found.is_unwanted


async def test_an_answer_is_asked_for_once(server, authenticator):
    server.publish("my-shop.example.org", "v=spf1 ip4:192.0.2.7 -all")
    for _ in range(3):
        await check(authenticator)
    assert server.questions.count("my-shop.example.org") == 1


@pytest.mark.parametrize(
    ("domain", "organisation"),
    [
        ("mail.my-shop.co.uk", "my-shop.co.uk"),
        ("example.org", "example.org"),
        ("co.uk", "co.uk"),
        ("a.b.shop.example", "shop.example"),  # a suffix that the list does not have
        ("shop.example", "shop.example"),
        ("localhost", "localhost"),
    ],
)
def test_an_organisation_is_one_label_below_the_public_suffix(domain: str, organisation: str):
    assert organisation_of(domain) == organisation


async def test_who_has_a_domain_under_the_same_unknown_suffix_is_somebody_else(server, authenticator):
    server.publish("attacker.example", "v=spf1 ip4:192.0.2.7 -all")
    server.publish("_dmarc.shop.example", "v=DMARC1; p=reject")
    received = Received("192.0.2.7", "mx.example.org", "a@attacker.example", ("shop.example",), LETTER)
    found = await authenticator.authenticate(received)
    assert (found.spf.result, found.dmarc.result) == ("pass", "fail")


async def test_name_servers_that_stay_silent_are_not_waited_for_again_and_again(server):
    servers = NameServers(server.address, timeout_seconds=0.02)
    server.silent.update(f"n{number}.example.org" for number in range(12))
    for number in range(12):
        with pytest.raises(LookupFailed):
            await asyncio.to_thread(servers.ask, f"n{number}.example.org", "TXT", 0.05)
    assert 4 <= len({name for name in server.questions if name.startswith("n")}) < 12


async def test_a_sender_without_a_domain_that_could_publish_anything_has_no_policy(server, authenticator):
    for content in (b"From: root@localhost\r\n\r\nx\r\n", b"From: cron <root@web-1.>\r\n\r\nx\r\n"):
        domains = read_incoming(content).from_domains
        found = await authenticator.authenticate(Received("192.0.2.7", "mx.example.org", "", domains, content))
        assert (found.dmarc.result, found.dmarc.domain) == ("none", domains[0])
