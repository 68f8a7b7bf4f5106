"""What SCRAM-SHA-256 compares a password with: of a mailbox's own sealed, of random app passwords as it is.

Argon2id is what a leaked table would have to be broken by. These keys are quicker to guess at, so those of passwords
that people choose are only stored encrypted with the installation's secret key, which no table holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import structlog
from asyncpg import Connection

from hourpost.accounts.passwords import derive
from hourpost.database import HotStatement
from hourpost.gateways.encryption import CannotDecrypt, Cipher
from hourpost.rules.saslprep import saslprep
from hourpost.rules.scram import ScramKeys, derive_keys

_KEY_BYTES = 32

_KEEP = HotStatement(
    "UPDATE mailboxes SET scram_keys = :sealed"
    " WHERE id = :mailbox AND access_generation = :generation AND scram_keys IS NULL"
)
_KEEP_OF_APP = HotStatement(
    "UPDATE app_passwords SET stored_key = :stored, server_key = :server WHERE id = :app_password"
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ScramSecret:
    """A password that a mailbox is about to get, and what seals its keys."""

    password: str = field(repr=False)
    cipher: Cipher = field(repr=False)

    async def seal(self, salt: bytes) -> bytes:
        """The sealed keys to store beside this salt."""
        return seal_keys(self.cipher, await make_keys(self.password, salt), salt)


async def make_keys(password: str, salt: bytes) -> ScramKeys:
    """The keys of a password, made beside the event loop."""
    return await derive(derive_keys, _prepare(password), salt)


def seal_keys(cipher: Cipher, keys: ScramKeys, salt: bytes) -> bytes:
    """The keys for a column; no other mailbox has this salt, so they are of no use in another row."""
    return cipher.seal(keys.stored_key + keys.server_key, _row(salt))


def open_keys(cipher: Cipher, sealed: bytes, salt: bytes) -> ScramKeys | None:
    """What was sealed; None where the secret key is another now."""
    try:
        keys = cipher.open(sealed, _row(salt))
    except CannotDecrypt as error:
        log.warning("keys of a password cannot be read", cause=str(error))
        return None
    return ScramKeys(keys[:_KEY_BYTES], keys[_KEY_BYTES:])


async def keep_keys(connection: Connection, mailbox_id: UUID, access_generation: int, sealed: bytes) -> None:
    """Store the keys of a mailbox's own password that had none, unless it was changed meanwhile."""
    await _KEEP.run(connection, {"sealed": sealed, "mailbox": mailbox_id, "generation": access_generation})


async def keep_app_keys(connection: Connection, app_password_id: UUID, keys: ScramKeys) -> None:
    """Store the keys of an app password that had none."""
    arguments = {"stored": keys.stored_key, "server": keys.server_key, "app_password": app_password_id}
    await _KEEP_OF_APP.run(connection, arguments)


def _prepare(password: str) -> str:
    try:
        return saslprep(password)
    except ValueError:
        return password  # a client that takes it at all takes it as it is


def _row(salt: bytes) -> str:
    return f"mailboxes {salt.hex()} scram_keys"
