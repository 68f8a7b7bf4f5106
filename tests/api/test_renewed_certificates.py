"""A certificate that is renewed while the mail doors run: each shows the new one, and none needs a restart."""

from __future__ import annotations

import asyncio
import poplib
import shutil
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from imaplib import IMAP4
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.imap.entry import build_server as build_imap
from api.pop3.entry import build_server as build_pop3
from api.smtp.entry import build_server as build_smtp
from hourpost.assembly import build_parts
from hourpost.gateways.authentication import MailAuthenticator, NameServers
from hourpost.gateways.maildrop_locks import RedisMaildropLocks
from hourpost.gateways.session_leases import RedisSessionLeases
from hourpost.gateways.tls import RenewedTls
from hourpost.settings import Settings
from tests.fixtures.certificates import Certificate, self_signed

_CONTEXT = ssl._create_unverified_context()  # the certificate itself is compared
PORTS = ("smtp_port", "submission_port", "submissions_port", "imap_port", "imaps_port", "pop3_port", "pop3s_port")


@pytest.fixture
def files(tmp_path: Path) -> Certificate:
    """What a door is started with."""
    first = self_signed(tmp_path, "localhost", days=30)
    return Certificate(
        Path(shutil.copy(first.cert, tmp_path / "chain.pem")), Path(shutil.copy(first.key, tmp_path / "key.pem"))
    )


def put(new: Certificate, files: Certificate) -> None:
    """Take the place of ``files`` as certbot and Kubernetes do it: one rename after the other."""
    for source, target in ((new.cert, files.cert), (new.key, files.key)):
        shutil.copy(source, target.with_suffix(".new"))
        target.with_suffix(".new").replace(target)


def shown_by_tls(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 30) as raw, _CONTEXT.wrap_socket(raw) as secured:
        return secured.getpeercert(binary_form=True) or b""


def shown_by_starttls(port: int) -> bytes:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.starttls(context=_CONTEXT)
        return client.sock.getpeercert(binary_form=True)  # type: ignore[union-attr, no-any-return]


def shown_by_imap(port: int) -> bytes:
    with IMAP4("127.0.0.1", port, timeout=30) as client:
        client.starttls(_CONTEXT)
        return client.sock.getpeercert(binary_form=True)  # type: ignore[attr-defined, no-any-return]


def shown_by_pop3(port: int) -> bytes:
    client = poplib.POP3("127.0.0.1", port, timeout=30)
    client.stls(_CONTEXT)
    found: bytes = client.sock.getpeercert(binary_form=True)  # type: ignore[attr-defined]
    client.quit()
    return found


_ASK: dict[str, tuple[Callable[[int], bytes], ...]] = {
    "smtp": (shown_by_starttls, shown_by_starttls, shown_by_tls),
    "imap": (shown_by_imap, shown_by_tls),
    "pop3": (shown_by_pop3, shown_by_tls),
}


@asynccontextmanager
async def running(part: str, settings: Settings, files: Certificate) -> AsyncIterator[list[int]]:
    """The ports of a door that is put together as its process does it."""
    parts, redis_url = build_parts(settings, "hourpost tests"), settings.redis_url.get_secret_value()  # type: ignore[union-attr]
    pair = (files.cert, files.key)
    await parts.start()
    beside: Any
    if part == "smtp":
        beside = MailAuthenticator(NameServers(""))
        server: Any = build_smtp(settings, parts, beside, pair)
    elif part == "imap":
        beside = RedisSessionLeases(redis_url)
        server = build_imap(settings, parts, beside, pair)
    else:
        beside = RedisMaildropLocks(redis_url)
        server = build_pop3(settings, parts, beside, pair)
    await server.start()
    try:
        yield server.ports
    finally:
        await server.drain()
        await asyncio.to_thread(beside.close) if part == "smtp" else await beside.aclose()
        await parts.stop()


@pytest.mark.parametrize("part", _ASK)
async def test_every_port_shows_a_renewed_certificate_without_a_restart(
    part: str, files: Certificate, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    new = self_signed(tmp_path, "renewed.test", days=90)
    wanted = ssl.PEM_cert_to_DER_cert(new.cert.read_text())
    settings = Settings(
        _env_file=None,
        home=tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        secret_key="a secret of the tests, long enough",
        **dict.fromkeys(PORTS, 0),
    )
    async with running(part, settings, files) as ports:
        for ask, port in zip(_ASK[part], ports, strict=True):
            assert await asyncio.to_thread(ask, port) != wanted
        put(new, files)
        async with asyncio.timeout(60):
            while await asyncio.to_thread(_ASK[part][-1], ports[-1]) != wanted:  # noqa: ASYNC110  # as a client sees it
                await asyncio.sleep(0.05)
        for ask, port in zip(_ASK[part], ports, strict=True):
            assert await asyncio.to_thread(ask, port) == wanted


def test_what_cannot_be_used_is_told_once_and_tried_until_it_can(files: Certificate, tmp_path: Path) -> None:
    new = self_signed(tmp_path, "renewed.test", days=90)
    tls = RenewedTls(files.cert, files.key)
    before = tls.context
    assert not tls.renew()
    shutil.copy(new.cert, files.cert)  # its key is still the old one
    with capture_logs() as lines:
        assert not tls.renew()
        assert not tls.renew()
    assert [line["log_level"] for line in lines] == ["warning"]
    assert tls.context is before
    shutil.copy(new.key, files.key)
    assert tls.renew()
    assert tls.context is not before
    assert not tls.renew()


def test_a_file_that_is_away_for_a_moment_is_waited_for(files: Certificate) -> None:
    tls = RenewedTls(files.cert, files.key)
    key = files.key.read_bytes()
    files.key.unlink()
    assert not tls.renew()
    files.key.write_bytes(key)
    assert tls.renew()
