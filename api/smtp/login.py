"""Logging in: the dialog of AUTH, and the check of what it yields, in the same time whatever was wrong."""

from __future__ import annotations

import asyncio

import structlog

from api.smtp import replies
from api.smtp.door import Door
from api.smtp.replies import Refusal, refuse
from api.smtp.role import Role
from api.smtp.sasl import ASK_PASSWORD, ASK_PLAIN, ASK_USERNAME, Login, malformed, parse_login_part, parse_plain
from hourpost.errors import Forbidden, HourpostError, NotAuthenticated
from hourpost.gateways.throttle import login_keys
from hourpost.rules.submission import Standing

log = structlog.get_logger()


class LoginDialog:
    """AUTH PLAIN or LOGIN, with or without an initial response; each step gives the next question, or the login."""

    def __init__(self) -> None:
        self._mechanism = ""
        self._username: str | None = None

    def begin(self, argument: str) -> bytes | Login:
        """Take what stands behind AUTH. Raises: Refusal."""
        mechanism, _, initial = argument.partition(" ")
        self._mechanism = mechanism.upper()
        if self._mechanism not in ("PLAIN", "LOGIN"):
            raise refuse(504, "5.5.4", "the mechanisms are PLAIN and LOGIN")
        if initial:
            return self._step(initial)
        return ASK_PLAIN if self._mechanism == "PLAIN" else ASK_USERNAME

    def proceed(self, line: bytes) -> bytes | Login:
        """Take the answer to a question. Raises: Refusal."""
        try:
            return self._step(line.decode("ascii"))
        except UnicodeDecodeError:
            raise malformed() from None

    def _step(self, text: str) -> bytes | Login:
        if self._mechanism == "PLAIN":
            return parse_plain(text)
        part = parse_login_part(text)
        if self._username is not None:
            return Login(self._username, part)
        self._username = part
        return ASK_PASSWORD


async def verify(door: Door, role: Role, address: str, login: Login) -> Standing:
    """Who this is; who failed before waits longer each time. Raises: Refusal."""
    keys = login_keys(address, "smtp", login.username)
    waited = await door.throttle.delay(keys)
    await asyncio.sleep(waited)
    started = door.seconds()
    try:
        standing = await role.log_in(login, address)
    except (NotAuthenticated, Forbidden) as error:
        wait = await door.throttle.failed(keys)
        log.info("login refused", address=address, username=login.username[:100], reason=error.name)
        # Counted from the start, so that the answer does not tell how long the look-up took
        await asyncio.sleep(started + wait - door.seconds())
        raise Refusal(replies.BAD_LOGIN) from error
    except HourpostError as error:
        raise refuse(454, "4.7.0", error.message) from error
    if waited:
        await door.throttle.succeeded(keys)
    return standing
