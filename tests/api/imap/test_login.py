"""Who gets in, how often one may try, and how soon one is out when the password no longer holds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest_asyncio

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
