"""The capture relay: a real relay to those who log in, and every mail a file that is there before the answer."""

from __future__ import annotations

import asyncio
import email
import email.policy
import smtplib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hourpost.embedded.capture_relay import CaptureDirectory, envelope_headers, serve_capture_relay
from hourpost.gateways.relays import Envelope, RelayPool, RelaySpec
from tests.fixtures.certificates import Certificate, self_signed

CONTENT = b"Message-ID: <1@acme.test>\r\nSubject: hello\r\n\r\nDear all,\r\n.\r\n..two dots\r\n\xc3\xa4\r\n"


@dataclass
class Capture:
    """A capture relay that listens."""

    port: int
    directory: Path
    certificate: Certificate

    def files(self) -> list[Path]:
        return sorted(self.directory.glob("*.eml"))

    def pool(self, password: str = "secret", connections: int = 4) -> RelayPool:
        spec = RelaySpec(
            "127.0.0.1",
            self.port,
            username="user",
            password=password,
            ca=self.certificate.cert,
            connections=connections,
        )
        return RelayPool([spec], hostname="client.test")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")


@pytest.fixture
async def capture(tmp_path: Path, certificate: Certificate) -> AsyncIterator[Capture]:
    directory = tmp_path / "captured"
    server = await serve_capture_relay(
        "127.0.0.1", 0, directory, username="user", password="secret", tls_context=certificate.server_context()
    )
    yield Capture(server.sockets[0].getsockname()[1], directory, certificate)
    server.close()


async def test_a_mail_lands_as_a_file_with_its_envelope_on_top(capture: Capture) -> None:
    pool = capture.pool()
    result = await pool.send(Envelope("sender@acme.test", ("a@example.net", "b@example.net")), CONTENT)
    await pool.drain(1.0)
    assert isinstance(result, list)
    assert all(outcome.is_accepted for outcome in result)
    (path,) = capture.files()
    assert path.name in result[0].text
    assert path.read_bytes() == (
        b"X-Envelope-From: sender@acme.test\r\nX-Envelope-To: a@example.net, b@example.net\r\n" + CONTENT
    )


async def test_many_mails_over_few_connections_are_all_there_in_order(capture: Capture) -> None:
    pool = capture.pool()
    for number in range(30):
        await pool.send(Envelope("s@acme.test", (f"{number}@x.test",)), CONTENT)
    sent = [pool.send(Envelope("s@acme.test", (f"{number}@x.test",)), CONTENT) for number in range(30, 60)]
    await asyncio.gather(*sent)
    await pool.drain(1.0)
    recipients = [email.message_from_bytes(path.read_bytes())["X-Envelope-To"] for path in capture.files()]
    assert recipients[:30] == [f"{number}@x.test" for number in range(30)]
    assert sorted(recipients[30:]) == sorted(f"{number}@x.test" for number in range(30, 60))


async def test_the_null_sender_and_utf8_addresses_are_taken(capture: Capture) -> None:
    pool = capture.pool()
    result = await pool.send(Envelope("", ("j\xf6rg@example.net",)), CONTENT)
    await pool.drain(1.0)
    assert isinstance(result, list), result
    assert result[0].is_accepted, result
    text = capture.files()[0].read_bytes().decode()
    assert text.startswith("X-Envelope-From: <>\r\nX-Envelope-To: j\xf6rg@example.net\r\n")


async def test_a_large_mail_arrives_whole(capture: Capture) -> None:
    pool = capture.pool()
    content = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 60 + b"\r\n"
    content += (b"." + b"x" * 900 + b"\r\n") * 8_000
    result = await pool.send(Envelope("s@acme.test", ("a@x.test",)), [content[:1_000_000], content[1_000_000:]])
    await pool.drain(1.0)
    assert isinstance(result, list)
    assert result[0].is_accepted
    assert capture.files()[0].read_bytes().endswith(content)


async def test_a_wrong_password_gets_nothing_in(capture: Capture) -> None:
    pool = capture.pool(password="wrong")
    assert not (await pool.check())[0].is_ok
    await pool.drain(0.1)
    assert capture.files() == []


def refusal_of(port: int, *, tls: ssl.SSLContext | None) -> int:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        if tls is not None:
            client.starttls(context=tls)
        client.ehlo()
        return client.docmd("MAIL", "FROM:<a@acme.test>")[0]


async def test_nothing_is_taken_without_tls_and_a_login(capture: Capture) -> None:
    trusting = ssl.create_default_context(cafile=str(capture.certificate.cert))
    assert await asyncio.to_thread(refusal_of, capture.port, tls=None) == 530
    assert await asyncio.to_thread(refusal_of, capture.port, tls=trusting) == 530
    assert capture.files() == []


async def test_where_the_file_cannot_be_written_the_mail_is_not_taken(capture: Capture) -> None:
    pool = capture.pool()
    capture.directory.rmdir()
    result = await pool.send(Envelope("s@acme.test", ("a@x.test",)), CONTENT)
    assert isinstance(result, list)
    assert (result[0].code, result[0].enhanced) == (452, "4.3.1")
    capture.directory.mkdir()
    again = await pool.send(Envelope("s@acme.test", ("a@x.test",)), CONTENT)
    await pool.drain(1.0)
    assert isinstance(again, list)
    assert again[0].is_accepted


def test_names_sort_by_time_even_within_a_microsecond(tmp_path: Path) -> None:
    directory = CaptureDirectory(tmp_path)
    paths = [directory.keep("a@b.test", ["c@d.test"], b"x\r\n") for _ in range(200)]
    assert paths == sorted(paths)
    assert len(set(paths)) == 200
    assert sorted(tmp_path.iterdir()) == paths


def test_a_long_list_of_recipients_is_folded_and_read_back() -> None:
    recipients = [f"recipient-number-{number}@example.net" for number in range(50)]
    raw = envelope_headers("s@acme.test", recipients)
    assert max(map(len, raw.split(b"\r\n"))) < 998
    parsed = email.message_from_bytes(raw + b"\r\n", policy=email.policy.default)
    assert str(parsed["X-Envelope-To"]).replace(" ", "").split(",") == recipients


def test_an_address_cannot_add_a_header() -> None:
    assert envelope_headers("a\r\nBcc: x", ["b\n@c"]) == b"X-Envelope-From: aBcc: x\r\nX-Envelope-To: b@c\r\n"
