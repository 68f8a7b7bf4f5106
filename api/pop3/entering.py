"""Entering a maildrop, having it alone, and leaving it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.pop3 import replies
from api.pop3.drop import Drop
from api.pop3.replies import Refusal
from api.pop3.sasl import Login
from hourpost.errors import Forbidden, HourpostError, NotAuthenticated
from hourpost.gateways.maildrop_locks import new_token
from hourpost.gateways.metrics import POP3_LOGINS

if TYPE_CHECKING:
    from api.pop3.session import Session


async def enter(session: Session, login: Login) -> bytes:
    """Log in, and lock INBOX as it is now. Raises: Refusal, HourpostError."""
    door = session.door
    try:
        entered = await door.entrance.log_in(login.username, login.password, session.address)
    except (NotAuthenticated, Forbidden):
        POP3_LOGINS.labels("refused").inc()
        session.failed_logins += 1
        if session.failed_logins >= door.limits.failed_logins:
            raise Refusal(replies.BAD_LOGIN + replies.TOO_MANY_LOGINS, ends=True) from None
        raise Refusal(replies.BAD_LOGIN) from None
    except HourpostError:
        POP3_LOGINS.labels("unavailable").inc()
        raise
    token = new_token()
    if not await door.maildrops.locks.take(entered.mailbox_id, token):
        POP3_LOGINS.labels("in use").inc()
        raise Refusal(replies.IN_USE)
    session.token, session.entered = token, entered
    try:
        drop = Drop(await door.maildrops.open(entered.mailbox_id))
    except HourpostError:
        await leave(session)
        raise
    POP3_LOGINS.labels("ok").inc()
    session.unwatch = door.entrance.watch(entered, lambda: session.end(replies.ACCESS_ENDED))
    if session.is_gone:  # while we looked at the mail
        await leave(session)
    else:
        session.drop = drop
    count, size_bytes = drop.left
    return f"+OK {count} messages ({size_bytes} octets)\r\n".encode("ascii")


async def leave(session: Session) -> None:
    """Give the lock back, if there is one."""
    session.unwatch()
    entered, session.entered, session.drop = session.entered, None, None
    if entered is not None:
        await session.door.maildrops.locks.release(entered.mailbox_id, session.token)


async def stay(session: Session) -> bool:
    """Renew the lock; False when somebody else has it, because we were not heard of for a minute."""
    entered = session.entered
    return entered is None or await session.door.maildrops.locks.take(entered.mailbox_id, session.token)
