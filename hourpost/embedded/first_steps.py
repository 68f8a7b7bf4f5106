"""First steps: an account with a plan, a domain, a key, an SMTP credential and a log-in, ready when `up` is.

Secrets are hashed in the database, so what they are is kept in the home, in a file that only its owner reads.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from hourpost.accounts.changes import NewAccount, create_account
from hourpost.accounts.passwords import hash_password
from hourpost.credentials.changes import NewCredential, create_api_key, create_smtp_credential
from hourpost.database import Database
from hourpost.domains.changes import Findings, add_domain, prepare_domain, record_findings
from hourpost.embedded.first_steps_file import FirstSteps, read_first_steps, write_first_steps
from hourpost.gateways.clock import Clock
from hourpost.gateways.encryption import Cipher

_DOMAIN = "acme.test"
_EMAIL = "founder@acme.test"


async def prepare_first_account(home: Path, database: Database, cipher: Cipher, clock: Clock) -> FirstSteps:
    """The first account's secrets; makes the account when this home has none yet. Raises: ServiceUnavailable."""
    known = read_first_steps(home)
    if known is not None:
        return known
    password, now = secrets.token_urlsafe(12), clock.now()
    hashed, domain = await hash_password(password), await prepare_domain(_DOMAIN, cipher)
    async with database.transaction() as connection:
        account = await create_account(connection, NewAccount("Acme", _EMAIL, "path", hashed), now)
        added = await add_domain(connection, account.id, domain, now)
        await record_findings(connection, account.id, added.id, Findings(owned=True, signs=True), now)
        key = await create_api_key(connection, account.id, NewCredential("first key"), now)
        test = await create_api_key(connection, account.id, NewCredential("first test key", test=True), now)
        login = await create_smtp_credential(connection, account.id, NewCredential("first SMTP credential"), now)
    username = login.credential.username or ""
    steps = FirstSteps(_EMAIL, password, key.secret, test.secret, username, login.secret, _DOMAIN)
    write_first_steps(home, steps)
    return steps
