"""API keys and SMTP credentials: made, listed, renamed, revoked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from hourpost.credentials.changes import NewCredential, create_api_key, rename_credential, revoke_credential
from hourpost.credentials.queries import Kind, Scope, get_credential, list_credentials
from hourpost.database import Database
from hourpost.domains.changes import delete_domain
from hourpost.errors import NotFound, ValidationFailed
from hourpost.pages import Cursor
from hourpost.rules.ids import new_id
from hourpost.rules.tokens import digest, looks_valid
from tests.cast import make_account, make_domain, make_key, make_smtp_login

NOW = datetime.now(UTC)


async def test_a_key_is_told_once_and_stored_as_its_hash(database: Database) -> None:
    issued = await make_key(database, await make_account(database))
    async with database.reading() as connection:
        rows = await connection.execute(
            text("SELECT c.*, c::text AS everything FROM credentials c WHERE id = :id"), {"id": issued.credential.id}
        )
        row = rows.one()
    assert looks_valid(issued.secret)
    assert row.token_sha256 == digest(issued.secret)
    assert issued.secret not in row.everything
    assert issued.secret.startswith("hp_live_")
    assert issued.credential.hint == issued.secret[:12]


async def test_a_test_key_says_so(database: Database) -> None:
    issued = await make_key(database, await make_account(database), NewCredential("try", test=True))
    assert issued.secret.startswith("hp_test_")
    assert issued.credential.test


async def test_an_smtp_credential_has_a_user_name_and_a_password(database: Database) -> None:
    issued = await make_smtp_login(database, await make_account(database))
    assert issued.credential.username == issued.credential.public_id
    assert issued.secret.startswith("hp_smtp_")


async def test_all_that_is_wrong_with_a_key_is_said_at_once(database: Database) -> None:
    account = await make_account(database)
    theirs = await make_domain(database, await make_account(database))
    wrong = NewCredential("", "everything", False, theirs.id, NOW - timedelta(seconds=1))
    with pytest.raises(ValidationFailed) as caught:
        await make_key(database, account, wrong)
    assert [fault.pointer for fault in caught.value.faults] == ["/name", "/scope", "/expires_at", "/domain_id"]


async def test_a_key_may_be_restricted_and_expire(database: Database) -> None:
    account = await make_account(database)
    domain = await make_domain(database, account)
    expires_at = NOW + timedelta(days=1)
    made = (await make_key(database, account, NewCredential("k", "sending", False, domain.id, expires_at))).credential
    assert (made.scope, made.domain_id, made.expires_at) == (Scope.SENDING, domain.id, expires_at)


async def test_a_key_gets_another_name(database: Database) -> None:
    account = await make_account(database)
    key = (await make_key(database, account)).credential
    async with database.transaction() as connection:
        renamed = await rename_credential(connection, account.id, Kind.API_KEY, key.id, " billing ")
        with pytest.raises(ValidationFailed):
            await rename_credential(connection, account.id, Kind.API_KEY, key.id, "a\nb")
    assert renamed.name == "billing"


async def test_a_revoked_key_is_gone(database: Database) -> None:
    account = await make_account(database)
    key = (await make_key(database, account)).credential
    async with database.transaction() as connection:
        await revoke_credential(connection, account.id, Kind.API_KEY, key.id, NOW)
        with pytest.raises(NotFound):
            await get_credential(connection, account.id, Kind.API_KEY, key.id)
        with pytest.raises(NotFound):
            await revoke_credential(connection, account.id, Kind.API_KEY, key.id, NOW)
        assert (await list_credentials(connection, account.id, Kind.API_KEY, Cursor())).data == []


async def test_a_stranger_sees_and_changes_nothing(database: Database) -> None:
    key = (await make_key(database, await make_account(database))).credential
    stranger = await make_account(database)
    async with database.transaction() as connection:
        assert (await list_credentials(connection, stranger.id, Kind.API_KEY, Cursor())).data == []
        with pytest.raises(NotFound):
            await get_credential(connection, stranger.id, Kind.API_KEY, key.id)
        with pytest.raises(NotFound):
            await rename_credential(connection, stranger.id, Kind.API_KEY, key.id, "mine")
        with pytest.raises(NotFound):
            await revoke_credential(connection, stranger.id, Kind.API_KEY, key.id, NOW)


async def test_keys_and_smtp_credentials_are_listed_apart(database: Database) -> None:
    account = await make_account(database)
    key = (await make_key(database, account)).credential
    login = (await make_smtp_login(database, account)).credential
    async with database.reading() as connection:
        assert (await list_credentials(connection, account.id, Kind.API_KEY, Cursor())).data == [key]
        assert (await list_credentials(connection, account.id, Kind.SMTP, Cursor())).data == [login]
        with pytest.raises(NotFound):
            await get_credential(connection, account.id, Kind.SMTP, key.id)


async def test_an_unknown_domain_is_no_restriction(database: Database) -> None:
    account = await make_account(database)
    async with database.transaction() as connection:
        with pytest.raises(ValidationFailed, match="no such domain"):
            await create_api_key(connection, account.id, NewCredential("k", domain_id=new_id()), NOW)


async def test_a_domain_that_is_deleted_meanwhile_is_none(database: Database) -> None:
    account = await make_account(database)
    domain = await make_domain(database, account)

    async def create() -> None:
        async with database.transaction() as connection:
            await create_api_key(connection, account.id, NewCredential("k", domain_id=domain.id), NOW)

    async with database.transaction() as connection:
        await delete_domain(connection, account.id, domain.id, NOW)
        creating = asyncio.create_task(create())
        await asyncio.sleep(0.3)
    with pytest.raises(ValidationFailed, match="no such domain"):
        await creating
