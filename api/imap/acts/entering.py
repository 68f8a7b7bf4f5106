"""Entering a mailbox, and being put out of it when its access changes."""

from __future__ import annotations

import structlog

from api.imap import replies
from api.imap.capabilities import write_capabilities
from api.imap.grammar.access import Login
from api.imap.limits import AFTER_LOGIN
from api.imap.replies import No
from api.imap.session import Session
from hourpost.errors import Forbidden, HourpostError
from hourpost.gateways.metrics import IMAP_LOGINS
from hourpost.mailboxes.login_lookup import MailboxLogin

log = structlog.get_logger()


async def enter(session: Session, login: Login) -> str:
    """Log in with a password. Raises: No; HourpostError when nobody can say who it is."""
    try:
        entered = await session.door.logins.log_in(session.attempt(login.username), login.password)
    except Forbidden:
        raise refuse_login(session, login.username) from None
    except HourpostError:
        IMAP_LOGINS.labels("unavailable").inc()
        raise
    return await come_in(session, entered)


def refuse_login(session: Session, username: str) -> No:
    """Count a wrong password; too many end the session."""
    IMAP_LOGINS.labels("refused").inc()
    log.info("login refused", address=session.address, username=username[:100])
    session.failed_logins += 1
    if session.failed_logins >= session.door.limits.failed_logins:
        session.outlet.write(replies.TOO_MANY_LOGINS)
        session.is_over = True
    return No("AUTHENTICATIONFAILED", "no such mailbox, or a wrong password")


async def come_in(session: Session, login: MailboxLogin) -> str:
    """Be in the mailbox until that login ends. Raises: No when too many are."""
    door = session.door
    place = await door.places.take(login.mailbox_id)
    if place is None:
        IMAP_LOGINS.labels("limit").inc()
        raise No("LIMIT", "too many sessions in this mailbox")
    IMAP_LOGINS.labels("ok").inc()
    session.entered, session.place = login, place
    session.unwatch = door.logins.watch(login, session.put_out)
    session.framer.limits = AFTER_LOGIN
    return f"OK [CAPABILITY {write_capabilities(session)}] logged in"


def leave(session: Session) -> None:
    """Be in no mailbox any more."""
    entered, session.entered = session.entered, None
    if entered is not None:
        session.unwatch()
        session.door.places.give_back(entered.mailbox_id, session.place)
