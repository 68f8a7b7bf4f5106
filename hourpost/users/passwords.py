"""Changing a password: by who knows it, or by who reads its owner's mail; either way every browser is logged out."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.audit import Actor, note
from hourpost.accounts.passwords import hash_password, is_password
from hourpost.accounts.queries import User, find_user_by_email, get_user
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.gateways.attempts import Counted
from hourpost.rules.networks import network_of
from hourpost.users import letters
from hourpost.users.desk import Desk
from hourpost.users.logging_in import let_in
from hourpost.users.names import read_email
from hourpost.users.sessions import Browser, end_sessions, start_session
from hourpost.users.tokens import Kind, OneTime, drop_tokens, find_token, keep_token, mint, use_token

_FREE_RESETS = 3
_FREE_RESETS_FROM = 20
_FREE_PROOFS = 5
_WORTHLESS = "This link was used already, or it is too old. Ask for a new one."


async def begin_reset(desk: Desk, email: str, browser: Browser) -> None:
    """Mail a link to choose a new password, if the address is known; nobody else learns whether it is.

    What differs between the two is done when this has returned, so that no clock tells either.

    Raises: ValidationFailed, LimitExceeded, ServiceUnavailable.
    """
    faults: list[Fault] = []
    email = read_email(email, faults)
    if faults:
        raise ValidationFailed(faults)
    by_address = Counted("reset-from", network_of(browser.address), _FREE_RESETS_FROM)
    await desk.attempts.begin([Counted("reset", email, _FREE_RESETS), by_address])
    await desk.postman.require_way()
    desk.afterwards.begin(_mail_reset(desk, email))


async def _mail_reset(desk: Desk, email: str) -> None:
    async with desk.database.reading() as connection:
        user = await find_user_by_email(connection, email)
    if user is None:
        return
    token = mint()
    async with desk.database.transaction() as connection:
        await keep_token(connection, token, OneTime(Kind.PASSWORD, user.id, {}), desk.now)
    await desk.postman.post(letters.reset_password(user.email, desk.link("/password/new", token)))


async def check_reset(desk: Desk, token: str) -> None:
    """Whether a link may still be used. Raises: NotFound."""
    async with desk.database.reading() as connection:
        if await find_token(connection, token, Kind.PASSWORD, desk.now) is None:
            raise NotFound(_WORTHLESS)


async def finish_reset(desk: Desk, token: str, password: str, browser: Browser) -> None:
    """Set the new password, and tell its owner by mail. Raises: ValidationFailed, NotFound, ServiceUnavailable."""
    hashed = await hash_password(password)
    async with desk.database.transaction() as connection:
        found = await use_token(connection, token, Kind.PASSWORD, desk.now)
        if found is None or found.user_id is None:
            raise NotFound(_WORTHLESS)
        user = await get_user(connection, found.user_id)
        await _set(connection, user, hashed)
        await note(connection, Actor(user.id, user.email, browser.address), "password_reset", desk.now)
    await let_in(desk, user.email, browser)
    await desk.tell(user.id, letters.password_changed(user.email))


async def change_password(
    desk: Desk, user: User, current: str, new: str, browser: Browser, account_id: UUID | None
) -> str:
    """Set another password; gives the token of the one session that goes on, still looking at ``account_id``.

    Raises: ValidationFailed, LimitExceeded, ServiceUnavailable.
    """
    await prove_password(desk, user, current, "current_password")
    try:
        hashed = await hash_password(new)
    except ValidationFailed as error:
        raise ValidationFailed([Fault("/new_password", fault.detail) for fault in error.faults]) from None
    async with desk.database.transaction() as connection:
        await _set(connection, user, hashed)
        await note(connection, Actor(user.id, user.email, browser.address), "password_changed", desk.now)
        token = await start_session(connection, user.id, browser, desk.now, account_id=account_id)
    await desk.tell(user.id, letters.password_changed(user.email))
    return token


async def prove_password(desk: Desk, user: User, password: str, field: str = "password") -> None:
    """Check that the person at a session knows the password. Raises: ValidationFailed, LimitExceeded."""
    counted = Counted("prove", str(user.id), _FREE_PROOFS)
    await desk.attempts.begin([counted])
    if not await is_password(password, user.password_hash):
        raise ValidationFailed([Fault(f"/{field}", "this is not your password")])
    await desk.attempts.succeed(forget=[counted])


async def set_password_of(connection: AsyncConnection, user: User, hashed: str, now: datetime) -> None:
    """Set a password for somebody, as an operator does; every browser is logged out."""
    await _set(connection, user, hashed)
    await note(connection, Actor(None, "operator", ""), "password_changed", now, user=user.email)


async def _set(connection: AsyncConnection, user: User, hashed: str) -> None:
    await connection.execute(update(tables.User).where(tables.User.id == user.id).values(password_hash=hashed))
    await end_sessions(connection, user.id)
    await drop_tokens(connection, user.id, Kind.PASSWORD)
    await drop_tokens(connection, user.id, Kind.ADDRESS)
