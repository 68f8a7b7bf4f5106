"""Passkeys (WebAuthn): a key in the person's device, asked for by the browser; challenges are good once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from hourpost import tables
from hourpost.accounts.audit import Actor, note
from hourpost.accounts.queries import User
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.visible import is_visible
from hourpost.users import letters
from hourpost.users.desk import Desk
from hourpost.users.recovery import drop_codes, make_first_codes
from hourpost.users.tokens import Kind, OneTime, keep_token, use_token

PREFIX = "pk"
MAX_PASSKEYS = 20
_MAX_NAME = 60
_NAME = "Hourpost"
_WRONG = "The passkey was not accepted. Try again."
_TOO_LATE = "That took too long. Try again."


@dataclass(frozen=True, slots=True)
class Site:
    """The origin that a browser sees; its host is what passkeys are bound to."""

    origin: str

    @property
    def host(self) -> str:
        """The relying party's id: a name, for browsers bind no passkey to a number."""
        return urlsplit(self.origin).hostname or ""

    @property
    def allows_passkeys(self) -> bool:
        """Whether browsers make passkeys here."""
        return not self.host.replace(".", "").isdigit() and ":" not in self.host

    @property
    def named_origin(self) -> str:
        """The same site by a name, where it is reached by a number of this machine; else nothing."""
        if not self.host.startswith("127.") and self.host != "::1":
            return ""
        parts = urlsplit(self.origin)
        return f"{parts.scheme}://localhost" + (f":{parts.port}" if parts.port else "")


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey as its owner sees it."""

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None

    @property
    def public_id(self) -> str:
        """``pk_…``."""
        return to_text(PREFIX, self.id)


async def list_passkeys(connection: AsyncConnection, user_id: UUID) -> list[Passkey]:
    """A user's passkeys, the oldest first."""
    table = tables.Passkey
    columns = (table.id, table.name, table.created_at, table.last_used_at)
    rows = await connection.execute(select(*columns).where(table.user_id == user_id).order_by(table.id))
    return [Passkey(**row._mapping) for row in rows]


async def begin_passkey(desk: Desk, user: User, site: Site) -> str:
    """What the browser needs to make a passkey, as JSON. Raises: ServiceUnavailable."""
    async with desk.database.transaction() as connection:
        known = await _credential_ids(connection, user.id)
        if len(known) >= MAX_PASSKEYS:
            raise ValidationFailed([Fault("", f"You have {MAX_PASSKEYS} passkeys: remove one first.")])
        options = generate_registration_options(
            rp_id=site.host,
            rp_name=_NAME,
            user_name=user.email,
            user_id=user.id.bytes,
            user_display_name=user.name,
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
        )
        await _keep_challenge(connection, desk, options.challenge, user.id)
    return options_to_json(options)


async def finish_passkey(desk: Desk, user: User, site: Site, credential: str, name: str, actor: Actor) -> list[str]:
    """Store the passkey that the browser has made; gives recovery codes where there were none.

    Raises: ValidationFailed, ServiceUnavailable.
    """
    given = _parse(credential)
    async with desk.database.transaction() as connection:
        challenge = await _use_challenge(connection, desk, given, user.id)
        try:
            verified = verify_registration_response(
                credential=given,
                expected_challenge=challenge,
                expected_rp_id=site.host,
                expected_origin=site.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError) as error:
            raise ValidationFailed([Fault("", _WRONG)]) from error
        row = {
            "id": new_id(),
            "user_id": user.id,
            "credential_id": verified.credential_id,
            "public_key": verified.credential_public_key,
            "sign_count": verified.sign_count,
            "name": name[:_MAX_NAME] or "Passkey",
            "created_at": desk.now,
        }
        await connection.execute(insert(tables.Passkey).values(row))
        codes = await make_first_codes(connection, user.id)
        await note(connection, actor, "passkey_added", desk.now, name=row["name"])
    await desk.tell(user.id, letters.second_factor_changed(user.email, "added a passkey"))
    return codes


async def rename_passkey(desk: Desk, user: User, passkey_id: UUID, name: str, actor: Actor) -> None:
    """Give a passkey another name. Raises: NotFound, ValidationFailed, ServiceUnavailable."""
    if not name.strip() or not is_visible(name):
        raise ValidationFailed([Fault("/passkey_name", "A passkey has a name with visible characters.")])
    async with desk.database.transaction() as connection:
        table = tables.Passkey
        statement = update(table).where(table.user_id == user.id, table.id == passkey_id).values(name=name[:_MAX_NAME])
        if (await connection.execute(statement)).rowcount == 0:
            raise NotFound("There is no such passkey.")
        await note(connection, actor, "passkey_renamed", desk.now, name=name[:_MAX_NAME])


async def remove_passkey(desk: Desk, user: User, passkey_id: UUID, actor: Actor) -> None:
    """Forget a passkey. Raises: NotFound, ServiceUnavailable."""
    async with desk.database.transaction() as connection:
        table = tables.Passkey
        statement = delete(table).where(table.user_id == user.id, table.id == passkey_id).returning(table.name)
        name = (await connection.execute(statement)).scalar()
        if name is None:
            raise NotFound("There is no such passkey.")
        if user.totp_secret is None and not await _credential_ids(connection, user.id):
            await drop_codes(connection, user.id)
        await note(connection, actor, "passkey_removed", desk.now, name=name)
    await desk.tell(user.id, letters.second_factor_changed(user.email, "removed a passkey"))


async def ask_passkey(desk: Desk, site: Site, user_id: UUID | None = None) -> str:
    """What the browser needs to show a passkey, as JSON: any of this site, or one of a user's."""
    async with desk.database.transaction() as connection:
        known = await _credential_ids(connection, user_id) if user_id else []
        options = generate_authentication_options(
            rp_id=site.host,
            allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known] or None,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        await _keep_challenge(connection, desk, options.challenge, user_id)
    return options_to_json(options)


async def check_passkey(
    connection: AsyncConnection, desk: Desk, site: Site, credential: str, user_id: UUID | None = None
) -> UUID:
    """Whose passkey the browser has shown; of ``user_id`` where that is known. Raises: ValidationFailed."""
    given = _parse(credential)
    challenge = await _use_challenge(connection, desk, given, user_id)
    table = tables.Passkey
    try:
        raw_id = base64url_to_bytes(str(given.get("rawId", "")))
        statement = select(table.id, table.user_id, table.public_key, table.sign_count)
        row = (await connection.execute(statement.where(table.credential_id == raw_id))).one_or_none()
        if row is None or (user_id is not None and row.user_id != user_id):
            raise ValidationFailed([Fault("", _WRONG)])
        verified = verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise ValidationFailed([Fault("", _WRONG)]) from error
    values = {"sign_count": verified.new_sign_count, "last_used_at": desk.now}
    await connection.execute(update(table).where(table.id == row.id).values(values))
    return UUID(str(row.user_id))


async def _credential_ids(connection: AsyncConnection, user_id: UUID) -> list[bytes]:
    statement = select(tables.Passkey.credential_id).where(tables.Passkey.user_id == user_id)
    return list((await connection.execute(statement)).scalars())


async def _keep_challenge(connection: AsyncConnection, desk: Desk, challenge: bytes, user_id: UUID | None) -> None:
    what = OneTime(Kind.PASSKEY, user_id, {})
    await keep_token(connection, bytes_to_base64url(challenge), what, desk.now)


async def _use_challenge(connection: AsyncConnection, desk: Desk, given: dict[str, Any], user_id: UUID | None) -> bytes:
    """The challenge that the answer names, if we gave it to this user and nobody has answered it."""
    try:
        client = json.loads(base64url_to_bytes(given["response"]["clientDataJSON"]))
        challenge = str(client["challenge"])
        found = await use_token(connection, challenge, Kind.PASSKEY, desk.now)
        if found is None or found.user_id != user_id:
            raise ValidationFailed([Fault("", _TOO_LATE)])
        return base64url_to_bytes(challenge)
    except (ValueError, KeyError, TypeError) as error:
        raise ValidationFailed([Fault("", _WRONG)]) from error


def _parse(credential: str) -> dict[str, Any]:
    try:
        found = json.loads(credential)
    except ValueError as error:
        raise ValidationFailed([Fault("", _WRONG)]) from error
    if not isinstance(found, dict):
        raise ValidationFailed([Fault("", _WRONG)])
    return found
