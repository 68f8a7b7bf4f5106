"""The second half of a log-in: a code by app, a recovery code, or a passkey; and logging in by passkey alone.

Who has lost all of them is let in by an operator alone.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.audit import Actor, note
from hourpost.accounts.queries import User, get_user
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.gateways.attempts import Counted
from hourpost.rules.networks import network_of
from hourpost.users import letters
from hourpost.users.desk import Desk
from hourpost.users.logging_in import has_passkey, let_in
from hourpost.users.passkeys import Site, ask_passkey, check_passkey
from hourpost.users.recovery import count_codes, drop_codes, use_code
from hourpost.users.sessions import Browser, end_session, end_sessions, start_session
from hourpost.users.tokens import Kind, drop_tokens
from hourpost.users.totp import use_totp

_FREE = 5
_FREE_QUESTIONS = 60
_TOTP_DIGITS = 6
_WRONG = "this code is not right, or it was used before"


async def finish_by_code(desk: Desk, user: User, session_id: UUID, code: str, browser: Browser) -> str:
    """Log in fully with a code by app or a recovery code; gives the token of a new session.

    Raises: ValidationFailed, LimitExceeded, ServiceUnavailable.
    """
    counted = Counted("second", str(user.id), _FREE)
    await desk.attempts.begin([counted])
    plain = code.replace(" ", "")
    async with desk.database.transaction() as connection:
        is_totp = plain.isdigit() and len(plain) == _TOTP_DIGITS
        is_right = await (use_totp(connection, desk, user, plain) if is_totp else use_code(connection, user.id, code))
        if not is_right:
            raise ValidationFailed([Fault("/code", _WRONG)])
        await end_session(connection, user.id, session_id)
        token = await start_session(connection, user.id, browser, desk.now)
        action = "logged_in" if is_totp else "recovery_code_used"
        await note(connection, Actor(user.id, user.email, browser.address), action, desk.now)
        left = None if is_totp else await count_codes(connection, user.id)
    await desk.attempts.succeed(forget=[counted])
    await let_in(desk, user.email, browser)
    if left is not None:
        await desk.tell(user.id, letters.recovery_code_used(user.email, left))
    return token


async def drop_factors(connection: AsyncConnection, user: User, now: datetime) -> None:
    """Turn every second factor of somebody off who has lost them, as an operator does; every browser is logged out.

    Raises: NotFound where there is none.
    """
    if user.totp_secret is None and not await has_passkey(connection, user.id):
        raise NotFound(f"{user.email} has no second factor.")
    statement = update(tables.User).where(tables.User.id == user.id)
    await connection.execute(statement.values(totp_secret=None, totp_step=None))
    await connection.execute(delete(tables.Passkey).where(tables.Passkey.user_id == user.id))
    await drop_codes(connection, user.id)
    await end_sessions(connection, user.id)
    await drop_tokens(connection, user.id, Kind.ADDRESS)
    await note(connection, Actor(None, "operator", ""), "second_factor_dropped", now, user=user.email)


async def ask_any_passkey(desk: Desk, site: Site, browser: Browser) -> str:
    """What the browser needs to show any passkey of this site. Raises: LimitExceeded, ServiceUnavailable.

    Each question is stored, so nobody may ask without end; what leads to a log-in does not count.
    """
    await desk.attempts.begin([_asked_from(browser)])
    return await ask_passkey(desk, site)


def _asked_from(browser: Browser) -> Counted:
    return Counted("passkey-from", network_of(browser.address), _FREE_QUESTIONS)


async def finish_by_passkey(
    desk: Desk, site: Site, credential: str, browser: Browser, half: tuple[User, UUID] | None = None
) -> str:
    """Log in with a passkey, which is both factors at once; ``half`` is who gave a password before, and the session.

    Raises: ValidationFailed, ServiceUnavailable.
    """
    async with desk.database.transaction() as connection:
        user_id = await check_passkey(connection, desk, site, credential, half[0].id if half else None)
        if half:
            await end_session(connection, user_id, half[1])
        user = await get_user(connection, user_id)
        token = await start_session(connection, user_id, browser, desk.now)
        await note(connection, Actor(user.id, user.email, browser.address), "logged_in", desk.now, by="passkey")
    await let_in(desk, user.email, browser, [] if half else [_asked_from(browser)])
    return token
