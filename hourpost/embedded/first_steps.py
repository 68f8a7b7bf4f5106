"""First steps: an account with a plan, a domain, a key, an SMTP credential and a log-in, ready when `up` is.

Secrets are hashed in the database, so what they are is kept in the home, in a file that only its owner reads.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.accounts.changes import NewAccount, create_account, set_plan
from hourpost.accounts.passwords import hash_password
from hourpost.accounts.queries import find_user_by_email, get_named_account
from hourpost.credentials.changes import NewCredential, create_api_key, create_smtp_credential
from hourpost.database import Database
from hourpost.domains.changes import Findings, add_domain, prepare_domain, record_findings
from hourpost.embedded.first_steps_file import FirstSteps, read_first_steps, write_first_steps
from hourpost.flow.postman import find_owner
from hourpost.gateways.clock import Clock
from hourpost.gateways.encryption import Cipher
from hourpost.settings import EMBEDDED_DOMAIN

_DOMAIN = "acme.test"
_EMAIL = "founder@acme.test"
_OWN_LIMIT = 100_000


async def prepare_own_account(database: Database, cipher: Cipher, clock: Clock) -> None:
    """The account that our own mail (sign-up, passwords) leaves from; made once. Raises: ServiceUnavailable."""
    async with database.reading() as connection:
        if await find_owner(connection, EMBEDDED_DOMAIN) is not None:
            return
    domain, now = await prepare_domain(EMBEDDED_DOMAIN, cipher), clock.now()
    async with database.transaction() as connection:
        account = await create_account(connection, NewAccount("Hourpost", f"hello@{EMBEDDED_DOMAIN}"), now)
        await set_plan(connection, account.id, "skilled", _OWN_LIMIT)
        added = await add_domain(connection, account.id, domain, now)
        await record_findings(connection, account.id, added.id, Findings(owned=True, signs=True), now)


async def prepare_first_account(home: Path, database: Database, cipher: Cipher, clock: Clock) -> FirstSteps:
    """The first account's secrets; makes the account when the database has none yet. Raises: ServiceUnavailable."""
    known = read_first_steps(home)
    async with database.reading() as connection:
        exists = await find_user_by_email(connection, _EMAIL) is not None
    if known is not None and exists:
        return known
    password = secrets.token_urlsafe(12)
    hashed, domain = await hash_password(password), await prepare_domain(_DOMAIN, cipher)
    now = clock.now()
    async with database.transaction() as connection:
        if exists:
            account, password = await get_named_account(connection, _EMAIL), "(as it was)"
        else:
            account = await create_account(connection, NewAccount("Acme", _EMAIL, "path", hashed), now)
            added = await add_domain(connection, account.id, domain, now)
            await record_findings(connection, account.id, added.id, Findings(owned=True, signs=True), now)
        steps = await _issue(connection, account.id, password, now)
        # Before the commit: secrets that nobody has are found out and made again, an account nobody can use is not.
        write_first_steps(home, steps)
    return steps


async def _issue(connection: AsyncConnection, account_id: UUID, password: str, now: datetime) -> FirstSteps:
    key = await create_api_key(connection, account_id, NewCredential("first key"), now)
    test = await create_api_key(connection, account_id, NewCredential("first test key", test=True), now)
    login = await create_smtp_credential(connection, account_id, NewCredential("first SMTP credential"), now)
    return FirstSteps(
        email=_EMAIL,
        password=password,
        api_key=key.secret,
        test_key=test.secret,
        smtp_username=login.credential.username or "",
        smtp_password=login.secret,
        domain=_DOMAIN,
    )
