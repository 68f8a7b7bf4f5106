"""Logging in: from a password to a session, with a second factor between where the user has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.audit import Actor, note
from hourpost.accounts.passwords import is_password
from hourpost.accounts.queries import User, find_user_by_email
from hourpost.errors import Fault, ValidationFailed
from hourpost.gateways.attempts import Counted, Home
from hourpost.rules.networks import network_of
from hourpost.users.desk import Desk
from hourpost.users.sessions import Browser, start_session

log = structlog.get_logger()

_FREE_BY_USER, _FREE_FROM_HERE = 5, 10
_FREE_BY_ADDRESS = 50
_WRONG = "The email address or the password is not right."


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The token of a new session; with ``awaits_second`` the second factor is asked for next."""

    token: str
    awaits_second: bool


async def log_in(desk: Desk, email: str, password: str, browser: Browser) -> LoggedIn:
    """Start a session for who knows the password.

    Raises: ValidationFailed in the same words and after the same work whatever was wrong; LimitExceeded;
    ServiceUnavailable.
    """
    email = email.strip().lower()
    by_address = Counted("login-from", network_of(browser.address), _FREE_BY_ADDRESS)
    await desk.attempts.begin([*of_log_in(email, browser), by_address], home_of(email, browser))
    async with desk.database.reading() as connection:
        user = await find_user_by_email(connection, email)
    is_right = await is_password(password, user.password_hash if user else None)
    if user is None or not is_right:
        log.info("login refused", address=browser.address, username=email[:100])
        if user is not None:
            desk.afterwards.begin(_note_failure(desk, user, browser))
        raise ValidationFailed([Fault("", _WRONG)])
    async with desk.database.transaction() as connection:
        second = await has_second_factor(connection, user)
        token = await start_session(connection, user.id, browser, desk.now, awaits_second=second)
        if not second:
            await note(connection, Actor(user.id, user.email, browser.address), "logged_in", desk.now)
    if second:
        await desk.attempts.succeed(uncount=[by_address])
    else:
        await let_in(desk, email, browser, uncount=[by_address])
    return LoggedIn(token, second)


def of_log_in(email: str, browser: Browser) -> list[Counted]:
    """What wrong passwords for one address are counted by: wherever they come from, and from this place.

    Who has logged in from here before waits for their own failures alone: nobody locks them out from elsewhere.
    """
    place = f"{network_of(browser.address)} {email}"
    return [Counted("login", email, _FREE_BY_USER, holds_at_home=False), Counted("login-pair", place, _FREE_FROM_HERE)]


def home_of(email: str, browser: Browser) -> Home:
    """Where somebody logs in from."""
    return Home("login", email, network_of(browser.address))


async def let_in(desk: Desk, email: str, browser: Browser, uncount: Sequence[Counted] = ()) -> None:
    """Forget what was wrong before, once all that is asked for was shown, and know the place."""
    await desk.attempts.succeed(forget=of_log_in(email, browser), uncount=uncount, home=home_of(email, browser))


async def _note_failure(desk: Desk, user: User, browser: Browser) -> None:
    async with desk.database.transaction() as connection:
        await note(connection, Actor(user.id, user.email, browser.address), "log_in_failed", desk.now)


async def has_second_factor(connection: AsyncConnection, user: User) -> bool:
    """Whether a password alone does not log this user in."""
    return user.totp_secret is not None or await has_passkey(connection, user.id)


async def has_passkey(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether the user has a passkey."""
    statement = select(tables.Passkey.id).where(tables.Passkey.user_id == user_id).limit(1)
    return (await connection.execute(statement)).first() is not None
