"""The cast of the tests: accounts that are nobody else's, with what they own."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from hourpost.accounts.changes import NewAccount, create_account
from hourpost.accounts.queries import Account
from hourpost.credentials.changes import Issued, NewCredential, create_api_key, create_smtp_credential
from hourpost.database import Database
from hourpost.domains.changes import Findings, add_domain, prepare_domain, record_findings
from hourpost.domains.queries import Domain
from hourpost.gateways.encryption import Cipher

CIPHER = Cipher("a secret of the tests, long enough")


async def make_account(database: Database, plan: str | None = "path", name: str = "") -> Account:
    """An account with an address of its own."""
    unique = uuid4().hex[:12]
    new = NewAccount(name or f"Acme {unique}", f"owner-{unique}@acme.test", plan)
    async with database.transaction() as connection:
        return await create_account(connection, new, datetime.now(UTC))


async def make_key(database: Database, account: Account, new: NewCredential | None = None) -> Issued:
    """A live API key with full scope, or as ``new`` says."""
    async with database.transaction() as connection:
        return await create_api_key(connection, account.id, new or NewCredential("a key"), datetime.now(UTC))


async def make_smtp_login(database: Database, account: Account) -> Issued:
    """An SMTP credential."""
    async with database.transaction() as connection:
        return await create_smtp_credential(connection, account.id, NewCredential("a login"), datetime.now(UTC))


async def make_domain(database: Database, account: Account, name: str = "", *, verified: bool = True) -> Domain:
    """A domain of the account with a name nobody else has, verified and signing."""
    new = await prepare_domain(name or f"d{uuid4().hex[:12]}.test", CIPHER)
    async with database.transaction() as connection:
        domain = await add_domain(connection, account.id, new, datetime.now(UTC))
        if verified:
            findings = Findings(owned=True, signs=True)
            domain = await record_findings(connection, account.id, domain.id, findings, datetime.now(UTC))
    return domain
