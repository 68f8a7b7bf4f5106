"""Who gets in, how often one may try, and how soon one is out when the password no longer holds."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime

import pytest_asyncio
from structlog.testing import capture_logs

from hourpost.database import Database
from hourpost.mailboxes.app_passwords import (
    IssuedAppPassword,
    Service,
    create_app_password,
    revoke_app_password,
)
from tests.api.imap.client import Client
from tests.api.imap.conftest import Box
from tests.api.imap.running import RunningDoor


async def make_app_password(database: Database, box: Box, *scopes: Service) -> IssuedAppPassword:
    async with database.transaction() as connection:
        place = (box.account_id, box.id)
        return await create_app_password(connection, place, "phone", scopes or (Service.IMAP,), datetime.now(UTC))


@pytest_asyncio.fixture
async def app_password(database: Database, box: Box) -> IssuedAppPassword:
    return await make_app_password(database, box)


def test_an_app_password_lets_in(door: RunningDoor, box: Box, app_password: IssuedAppPassword) -> None:
    with Client(door) as client:
        client.log_in(box.address, app_password.secret)
        assert client.ask(b"NOOP") == [b"OK NOOP completed"]


async def test_one_for_something_else_does_not(door: RunningDoor, box: Box, database: Database) -> None:
    other = await make_app_password(database, box, Service.SMTP)
    with Client(door) as client:
        client.response()
        answer = client.ask(f'LOGIN "{box.address}" "{other.secret}"'.encode())
        assert answer[-1].startswith(b"NO [AUTHENTICATIONFAILED]")


async def test_a_revoked_one_ends_its_sessions_and_no_others(
    door: RunningDoor, box: Box, app_password: IssuedAppPassword, database: Database
) -> None:
    with Client(door) as revoked, Client(door) as other:
        revoked.log_in(box.address, app_password.secret)
        other.log_in(box.address, box.password)
        for client in (revoked, other):
            client.ask(b"SELECT INBOX")
            client.send(b"i IDLE\r\n")
            assert client.response() == b"+ idling"
        async with database.transaction() as connection:
            await revoke_app_password(
                connection, (box.account_id, box.id), app_password.app_password.id, datetime.now(UTC)
            )
        assert revoked.response().startswith(b"* BYE")
        assert revoked.response() == b"<end>"
        other.send(b"DONE\r\n")
        assert other.response() == b"i OK IDLE completed"


def prove(client: Client, username: str, password: str, *, nonce: str = "fyko+d2lbbFgONRv9qkxdawL") -> list[bytes]:
    """SCRAM-SHA-256 as a client does it; the answer to the last step."""
    bare = f"n={username},r={nonce}"
    first = base64.b64encode(f"n,,{bare}".encode())
    client.send(b"s AUTHENTICATE SCRAM-SHA-256 " + first + b"\r\n")
    challenge = base64.b64decode(client.response().removeprefix(b"+ ")).decode()
    whole, salt, iterations = (part[2:] for part in challenge.split(","))
    assert whole.startswith(nonce)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    without_proof = f"c=biws,r={whole}"
    message = f"{bare},{challenge},{without_proof}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature, strict=True))).decode()
    client.send(base64.b64encode(f"{without_proof},p={proof}".encode()) + b"\r\n")
    answer = client.response()
    if answer.startswith(b"+ "):
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        expected = b"v=" + base64.b64encode(hmac.digest(server_key, message, "sha256"))
        assert base64.b64decode(answer.removeprefix(b"+ ")) == expected
        client.send(b"\r\n")
        answer = client.response()
    return [answer]


def test_scram_lets_in_with_an_app_password(door: RunningDoor, box: Box, app_password: IssuedAppPassword) -> None:
    with Client(door) as client:
        client.response()
        assert prove(client, box.address, app_password.secret)[-1].startswith(b"s OK [CAPABILITY")
        assert client.ask(b"NOOP") == [b"OK NOOP completed"]


def test_scram_lets_in_with_the_password_of_the_mailbox_once_it_was_told(door: RunningDoor, box: Box) -> None:
    with Client(door) as client:
        client.log_in(box.address, box.password)
    ends_at = time.monotonic() + 20
    while True:  # its keys are made beside the first log-in
        with Client(door) as client:
            client.response()
            if prove(client, box.address, box.password)[-1].startswith(b"s OK [CAPABILITY"):
                return
        assert time.monotonic() < ends_at


def test_scram_refuses_a_wrong_password_and_a_stranger_alike(
    door: RunningDoor, box: Box, app_password: IssuedAppPassword
) -> None:
    with Client(door) as client:
        client.response()
        with capture_logs() as lines:
            wrong = prove(client, box.address, "hp_mbx_wrong")
            stranger = prove(client, "nobody@nowhere.test", app_password.secret)
        refused = [line["username"] for line in lines if line["event"] == "login refused"]
        assert refused == [box.address, "nobody@nowhere.test"]
        assert wrong == stranger
        assert wrong[-1].startswith(b"s NO [AUTHENTICATIONFAILED]")
