"""Logging in: encrypted as promised, to whom it was promised, or not at all."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from bench.sink_state import Config, Fault
from hourpost.gateways.relays import RelayCheck, RelaySpec, RelayUrlInvalid, Stage, Timeouts, TlsMode
from tests.fakes.scripted_relay import ScriptedRelay
from tests.fixtures.certificates import Certificate, self_signed
from tests.gateways.relay_partners import PATIENT, impatient, plain, pool_of, send_one, sink_for

STARTTLS, IMPLICIT = TlsMode.STARTTLS, TlsMode.IMPLICIT


GREETED = ["S: 220 hi", "C: EHLO *", "S: 250-hi", "S: 250 AUTH PLAIN", "C: AUTH *"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"), "elsewhere.test")


def secured(port: int, certificate: Certificate | None, tls: TlsMode = STARTTLS, **options: str) -> RelaySpec:
    login = {"username": "user", "password": "secret", **options}
    return RelaySpec("127.0.0.1", port, tls, ca=certificate.cert if certificate else None, **login)


async def check(spec: RelaySpec, timeouts: Timeouts = PATIENT) -> RelayCheck:
    async with pool_of(spec, timeouts=timeouts) as pool:
        return (await pool.check())[0]


@pytest.mark.parametrize("tls", [STARTTLS, IMPLICIT])
async def test_mail_goes_out_under_verified_tls_after_logging_in(certificate: Certificate, tls: TlsMode) -> None:
    config = Config("user", "secret", tls=certificate.server_context(), implicit_tls=tls is IMPLICIT)
    async with sink_for(config) as (sink, port), pool_of(secured(port, certificate, tls)) as pool:
        outcome = await send_one(pool)
        assert outcome.is_accepted
        assert outcome.tls_version == "TLSv1.3"
        assert outcome.cipher is not None
        assert (sink.stats.logins, sink.stats.messages) == (1, 1)


@pytest.mark.parametrize("tls", [STARTTLS, IMPLICIT])
async def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Certificate, tls: TlsMode) -> None:
    config = Config("user", "secret", tls=certificate.server_context(), implicit_tls=tls is IMPLICIT)
    async with sink_for(config) as (sink, port):
        answer = await check(secured(port, None, tls))
        assert (answer.is_ok, answer.stage) == (False, Stage.TLS)
        assert "not trusted" in answer.text
        assert sink.stats.logins == 0


@pytest.mark.parametrize("tls", [STARTTLS, IMPLICIT])
async def test_a_certificate_for_another_host_is_refused(stranger: Certificate, tls: TlsMode) -> None:
    config = Config("user", "secret", tls=stranger.server_context(), implicit_tls=tls is IMPLICIT)
    async with sink_for(config) as (_, port):
        answer = await check(secured(port, stranger, tls))
        assert (answer.is_ok, answer.stage) == (False, Stage.TLS)
        assert "127.0.0.1" in answer.text


async def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    expired = self_signed(tmp_path, "127.0.0.1", days=-1)
    async with sink_for(Config("user", "secret", tls=expired.server_context())) as (_, port):
        assert "expired" in (await check(secured(port, expired))).text


async def test_the_password_does_not_travel_where_starttls_is_missing(certificate: Certificate) -> None:
    async with sink_for(Config("user", "secret")) as (sink, port):
        answer = await check(secured(port, certificate))
        assert (answer.stage, answer.text) == (Stage.TLS, "the relay does not offer STARTTLS")
        assert sink.stats.logins == 0


async def test_a_ca_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.pem"
    path.write_text("nothing")
    with pytest.raises(RelayUrlInvalid, match=r"empty\.pem"):
        async with pool_of(RelaySpec("127.0.0.1", 1, ca=path)):
            pass


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ([r"S: 220 go ahead\r\n250 injected"], "spoke out of turn"),
        ([r"S: 220 go ahead\r\n250-inj"], "before TLS began"),
        (["S: 220 go ahead", "S: [wait]", "S: 250 injected"], ""),
        (["S: 454 4.7.0 not today"], "not today"),
        (["S: 220 go ahead", "S: [reset]"], ""),
    ],
)
async def test_what_comes_with_the_answer_to_starttls_ends_it(
    certificate: Certificate, said: list[str], text: str
) -> None:
    lines = ["S: 220 hello", "C: EHLO client.test", "S: 250-relay", "S: 250 STARTTLS", "C: STARTTLS", *said]
    relay = ScriptedRelay(lines)
    answer = await check(secured(await relay.start(), certificate))
    await relay.stop()
    assert (answer.is_ok, answer.stage) == (False, Stage.TLS)
    assert text in answer.text


async def test_a_banner_in_clear_on_a_tls_port_ends_it(certificate: Certificate) -> None:
    relay = ScriptedRelay(["S: 220 hello", "S: [silence]"])
    answer = await check(secured(await relay.start(), certificate, IMPLICIT))
    await relay.stop()
    assert (answer.is_ok, answer.stage) == (False, Stage.TLS)


async def test_what_was_offered_before_tls_is_forgotten(certificate: Certificate) -> None:
    config = Config("user", "secret", tls=certificate.server_context(), pipelining=False)
    async with sink_for(config) as (sink, port), pool_of(secured(port, certificate)) as pool:
        assert (await send_one(pool)).is_accepted
        assert sink.stats.messages == 1


@pytest.mark.parametrize(
    ("offered", "conversation"),
    [
        ("AUTH PLAIN LOGIN", ["C: AUTH PLAIN AHVzZXIAc2VjcmV0", "S: 235 ok"]),
        ("AUTH=PLAIN", ["C: AUTH PLAIN AHVzZXIAc2VjcmV0", "S: 334 ", "C: AHVzZXIAc2VjcmV0", "S: 235 ok"]),
        (
            "AUTH LOGIN CRAM-MD5",
            ["C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: dXNlcg==", "S: 334 UGFzc3dvcmQ6", "C: c2VjcmV0", "S: 235 ok"],
        ),
    ],
)
async def test_it_logs_in_as_the_relay_can(offered: str, conversation: list[str]) -> None:
    greeting = ["S: 220 hello", "C: EHLO client.test", "S: 250-relay", f"S: 250 {offered}"]
    relay = ScriptedRelay([*greeting, *conversation, "C: QUIT"])
    answer = await check(plain(await relay.start(), username="user", password="secret"))
    await relay.finished()
    await relay.stop()
    assert answer.is_ok
    assert relay.faults == []


@pytest.mark.parametrize("refusal", ["500 what?", "502 5.5.1 no", "504 no", "550 no", "554-no\\r\\n554 no"])
async def test_a_relay_that_knows_only_helo_is_used(refusal: str) -> None:
    greeting = ["S: 220 hello", "C: EHLO client.test", f"S: {refusal}", "C: HELO client.test", "S: 250 PIPELINING"]
    envelope = ["C: MAIL FROM:<sender@acme.test>", "S: 250 ok", "C: RCPT TO:<someone@example.net>", "S: 250 ok"]
    relay = ScriptedRelay([*greeting, *envelope, "C: DATA", "S: 354 go", "C: [message]", "S: 250 ok", "C: QUIT"])
    async with pool_of(plain(await relay.start())) as pool:
        assert (await send_one(pool)).is_accepted
    await relay.finished()
    await relay.stop()
    assert relay.faults == []


@pytest.mark.parametrize("then", [["C: HELO client.test", "S: 502 no"], ["S: [close]"]])
async def test_where_helo_does_not_help_the_answer_to_ehlo_is_told(then: list[str]) -> None:
    relay = ScriptedRelay(["S: 220 hello", "C: EHLO client.test", "S: 554 5.7.1 we do not know you", *then])
    answer = await check(plain(await relay.start()))
    await relay.stop()
    assert (answer.is_ok, answer.stage, answer.code) == (False, Stage.CONNECT, 554)


@pytest.mark.parametrize(
    ("lines", "stage", "code", "text"),
    [
        (["S: 554 5.7.1 go away"], Stage.CONNECT, 554, "go away"),
        (["S: 421 4.3.2 too busy"], Stage.CONNECT, 421, "too busy"),
        (["S: [close]"], Stage.CONNECT, None, "closed the connection"),
        (["S: SSH-2.0-OpenSSH"], Stage.CONNECT, None, "no SMTP reply"),
        (["S: [silence]"], Stage.CONNECT, None, "no banner within 2 s"),
        (["S: 220 hi", "C: EHLO *", "S: 502 5.5.1 what?", "C: [end]"], Stage.CONNECT, 502, "what?"),
        (["S: 220 hi", "C: EHLO *", "S: 450 4.7.1 later"], Stage.CONNECT, 450, "later"),
        (["S: 220 hi", "C: EHLO *", "S: 250 no auth"], Stage.AUTH, None, "LOGIN; many do under TLS only"),
        (
            ["S: 220 hi", "C: EHLO *", "S: 250-hi", "S: 250 AUTH PLAIN", "C: *", "S: 535 5.7.8 wrong"],
            Stage.AUTH,
            535,
            "wrong",
        ),
        (["S: 220 hi", "C: EHLO *", "S: 250-hi", "S: 250 AUTH LOGIN", "C: *", "S: [close]"], Stage.AUTH, None, ""),
        ([*GREETED, r"S: 235 ok\r\n421 4.7.0 too many of you"], Stage.AUTH, 421, "too many of you"),
        ([*GREETED, r"S: 235 ok\r\n** debug"], Stage.AUTH, None, "no SMTP reply"),
        ([*GREETED, r"S: 235 ok\r\n250 more"], Stage.AUTH, None, "out of turn"),
    ],
)
async def test_a_failed_log_in_says_where_and_why(lines: list[str], stage: Stage, code: int, text: str) -> None:
    relay = ScriptedRelay(lines)
    answer = await check(plain(await relay.start(), username="user", password="secret"), impatient("banner"))
    await relay.stop()
    assert (answer.is_ok, answer.stage, answer.code) == (False, stage, code)
    assert text in answer.text
    assert "c2VjcmV0" not in answer.text
    assert relay.faults == []


@pytest.mark.parametrize(
    ("stage", "expected"),
    [("connect", Stage.CONNECT), ("ehlo", Stage.CONNECT), ("starttls", Stage.TLS), ("auth", Stage.AUTH)],
)
@pytest.mark.parametrize("action", ["421", "550", "drop", "garbage"])
async def test_every_fault_while_logging_in_is_noticed(
    certificate: Certificate, stage: str, expected: Stage, action: str
) -> None:
    config = Config("user", "secret", tls=certificate.server_context(), faults={stage: Fault(action)})
    async with sink_for(config) as (_, port):
        answer = await check(secured(port, certificate))
    assert (answer.is_ok, answer.stage) == (False, expected)
    assert answer.code == (int(action) if action.isdigit() else None)


async def test_silence_while_logging_in_is_given_up(certificate: Certificate) -> None:
    async def ask(stage: str, expected: Stage) -> None:
        config = Config("user", "secret", tls=certificate.server_context(), faults={stage: Fault("hang")})
        async with sink_for(config) as (_, port):
            answer = await check(secured(port, certificate), impatient(stage))
        assert (answer.is_ok, answer.stage, answer.code) == (False, expected, None)

    stages = {"connect": Stage.CONNECT, "ehlo": Stage.CONNECT, "starttls": Stage.TLS, "auth": Stage.AUTH}
    await asyncio.gather(*(ask(stage, expected) for stage, expected in stages.items()))


async def test_a_relay_that_nobody_listens_at_is_named(unused_tcp_port: int) -> None:
    answer = await check(plain(unused_tcp_port))
    assert (answer.stage, answer.code) == (Stage.CONNECT, None)
    assert "no connection" in answer.text


async def test_a_host_name_that_is_none_is_no_crash() -> None:
    answer = await check(RelaySpec("a" * 70 + ".invalid", 25, TlsMode.NONE))
    assert answer.stage is Stage.CONNECT


class Mailbox:
    """What an aiosmtpd server was given."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
        self.contents.append(envelope.content)  # type: ignore[attr-defined]
        return "250 2.0.0 kept"


@pytest.fixture
async def strict_server(certificate: Certificate) -> AsyncIterator[tuple[Mailbox, int]]:
    """aiosmtpd as an independent judge: STARTTLS and AUTH required, no PIPELINING."""
    mailbox, loop = Mailbox(), asyncio.get_running_loop()

    def authenticate(*given: object) -> AuthResult:
        return AuthResult(success=given[-1] == LoginPassword(b"user", b"secret"), handled=False)

    def session() -> SMTP:
        return SMTP(
            mailbox,
            tls_context=certificate.server_context(),
            require_starttls=True,
            auth_required=True,
            authenticator=authenticate,
            loop=loop,
        )

    server = await loop.create_server(session, "127.0.0.1", 0)
    yield mailbox, server.sockets[0].getsockname()[1]
    server.close()


async def test_an_independent_server_gets_the_same_bytes(
    strict_server: tuple[Mailbox, int], certificate: Certificate
) -> None:
    mailbox, port = strict_server
    content = b"Subject: x\r\n\r\n.\r\n..\r\n.a\r\n" + bytes(range(128, 256)) + b"\r\n"
    async with pool_of(secured(port, certificate)) as pool:
        for _ in range(2):
            assert (await send_one(pool, content=content)).is_accepted
        assert pool.health()[0].counts.logins == 1
    assert mailbox.contents == [content, content]


async def test_a_wrong_password_is_refused_by_an_independent_server(
    strict_server: tuple[Mailbox, int], certificate: Certificate
) -> None:
    answer = await check(secured(strict_server[1], certificate, password="wrong"))
    assert (answer.stage, answer.code) == (Stage.AUTH, 535)


def test_the_proof_in_the_dialogs_is_the_right_one() -> None:
    assert base64.b64decode("AHVzZXIAc2VjcmV0") == b"\0user\0secret"
