"""Codes by app (TOTP, RFC 6238): six digits that change every thirty seconds; each is good once."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass
from datetime import datetime

import pyotp
from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.audit import Actor, note
from hourpost.accounts.queries import User
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.users import letters
from hourpost.users.desk import Desk
from hourpost.users.logging_in import has_passkey
from hourpost.users.recovery import drop_codes, make_first_codes
from hourpost.users.tokens import Kind, OneTime, find_token, keep_token, mint, use_token

ISSUER = "Hourpost"
_STEP_SECONDS = 30
_STEPS_AROUND = (-1, 0, 1)  # clocks of phones are a little off
_WRONG = "this code is not right; the app shows a new one every 30 seconds"


@dataclass(frozen=True, slots=True)
class Offer:
    """A secret that is not in use yet: for the app, with the token that leads back to it."""

    token: str
    secret: str
    uri: str


async def begin_totp(desk: Desk, user: User) -> Offer:
    """A new secret to be shown once, kept for a quarter of an hour. Raises: ServiceUnavailable."""
    token, secret = mint(), pyotp.random_base32()
    sealed = desk.cipher.seal(secret.encode(), f"one_time_tokens/{user.id}/totp").hex()
    async with desk.database.transaction() as connection:
        await keep_token(connection, token, OneTime(Kind.TOTP, user.id, {"secret": sealed}), desk.now)
    return _offer(token, secret, user)


async def find_offer(desk: Desk, user: User, token: str) -> Offer:
    """The offer once more, after a wrong code. Raises: NotFound."""
    async with desk.database.reading() as connection:
        found = await find_token(connection, token, Kind.TOTP, desk.now)
    return _offer(token, _secret_in(desk, user, found), user)


async def finish_totp(desk: Desk, user: User, token: str, code: str, actor: Actor) -> list[str]:
    """Turn codes by app on, proved by a first one; gives recovery codes where there were none.

    Raises: ValidationFailed, NotFound, ServiceUnavailable.
    """
    secret = (await find_offer(desk, user, token)).secret
    step = matching_step(secret, code, desk.now)
    if step is None:
        raise ValidationFailed([Fault("/code", _WRONG)])
    sealed = desk.cipher.seal(secret.encode(), _row(user))
    async with desk.database.transaction() as connection:
        if await use_token(connection, token, Kind.TOTP, desk.now) is None:
            raise NotFound("This took too long: begin again.")
        statement = update(tables.User).where(tables.User.id == user.id)
        await connection.execute(statement.values(totp_secret=sealed, totp_step=step))
        codes = await make_first_codes(connection, user.id)
        await note(connection, actor, "totp_enabled", desk.now)
    await desk.tell(user.id, letters.second_factor_changed(user.email, "turned on codes by app"))
    return codes


async def turn_off_totp(desk: Desk, user: User, actor: Actor) -> None:
    """Ask for no codes any more. Raises: ServiceUnavailable."""
    async with desk.database.transaction() as connection:
        statement = update(tables.User).where(tables.User.id == user.id)
        await connection.execute(statement.values(totp_secret=None, totp_step=None))
        if not await has_passkey(connection, user.id):
            await drop_codes(connection, user.id)
        await note(connection, actor, "totp_disabled", desk.now)
    await desk.tell(user.id, letters.second_factor_changed(user.email, "turned off codes by app"))


async def use_totp(connection: AsyncConnection, desk: Desk, user: User, code: str) -> bool:
    """Whether it is the code of now, and was not used before."""
    if user.totp_secret is None:
        return False
    step = matching_step(desk.cipher.open(user.totp_secret, _row(user)).decode(), code, desk.now)
    if step is None:
        return False
    newer = or_(tables.User.totp_step.is_(None), tables.User.totp_step < step)
    statement = update(tables.User).where(tables.User.id == user.id, newer).values(totp_step=step)
    return (await connection.execute(statement.returning(tables.User.id))).one_or_none() is not None


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The step of thirty seconds around ``now`` whose code it is."""
    plain = code.replace(" ", "")
    present = int(now.timestamp()) // _STEP_SECONDS
    totp = pyotp.TOTP(secret)
    steps = [present + around for around in _STEPS_AROUND]
    found = [step for step in steps if random.compare_digest(totp.at(step * _STEP_SECONDS).encode(), plain.encode())]
    return found[0] if found else None


def _offer(token: str, secret: str, user: User) -> Offer:
    return Offer(token, secret, pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER))


def _secret_in(desk: Desk, user: User, found: OneTime | None) -> str:
    if found is None or found.user_id != user.id:
        raise NotFound("This took too long: begin again.")
    return desk.cipher.open(bytes.fromhex(found.detail["secret"]), f"one_time_tokens/{user.id}/totp").decode()


def _row(user: User) -> str:
    return f"users/{user.id}/totp_secret"
