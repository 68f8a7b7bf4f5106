"""A stay in a maildrop: entering it, having it alone, and leaving it."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from api.pop3 import replies
from api.pop3.door import Door, Entered
from api.pop3.drop import Drop
from api.pop3.replies import Refusal
from api.pop3.sasl import Login
from hourpost.errors import Forbidden, HourpostError, NotAuthenticated
from hourpost.gateways.maildrop_locks import new_token
from hourpost.gateways.metrics import POP3_LOGINS

log = structlog.get_logger()


class Visit:
    """Who is in which maildrop on one connection. ``end`` ends that with a last word, at any moment."""

    def __init__(self, door: Door, address: str, end: Callable[[bytes], None]) -> None:
        self.drop: Drop | None = None
        self.entered: Entered | None = None
        self._door = door
        self._address = address
        self._end = end
        self._token = ""  # of the lock on the maildrop
        self._unwatch: Callable[[], None] = _nothing
        self._failed_logins = 0
        self._is_over = False

    async def enter(self, login: Login, *, is_utf8: bool) -> bytes:
        """Log in, and lock INBOX as it is now. Raises: Refusal, HourpostError."""
        door, entered, token = self._door, await self._log_in(login), new_token()
        if not await door.maildrops.locks.take(entered.mailbox_id, token):
            POP3_LOGINS.labels("in use").inc()
            raise Refusal(replies.IN_USE)
        self._token, self.entered = token, entered
        try:
            drop = Drop(await door.maildrops.open(entered.mailbox_id, is_utf8=is_utf8))
        except HourpostError:
            await self.leave()
            raise
        POP3_LOGINS.labels("ok").inc()
        self._unwatch = door.entrance.watch(entered, lambda: self._end(replies.ACCESS_ENDED))
        if self._is_over:  # while we looked at the mail
            await self.leave()
        else:
            self.drop = drop
        count, size_bytes = drop.left
        return f"+OK {count} messages ({size_bytes} octets)\r\n".encode("ascii")

    async def stay(self) -> bool:
        """Renew the lock; False when somebody else has it, because we were not heard of for a minute."""
        entered = self.entered
        return entered is None or await self._door.maildrops.locks.take(entered.mailbox_id, self._token)

    async def leave(self) -> None:
        """Give the lock back, if there is one."""
        self._unwatch()
        entered, self.entered, self.drop = self.entered, None, None
        if entered is not None:
            await self._door.maildrops.locks.release(entered.mailbox_id, self._token)

    async def close(self) -> None:
        """Leave for good, also what is only being entered."""
        self._is_over = True
        await self.leave()

    async def _log_in(self, login: Login) -> Entered:
        door = self._door
        try:
            return await door.entrance.log_in(login.username, login.password, self._address)
        except (NotAuthenticated, Forbidden):
            POP3_LOGINS.labels("refused").inc()
            log.info("login refused", address=self._address, username=login.username[:100])
            self._failed_logins += 1
            if self._failed_logins >= door.limits.failed_logins:
                raise Refusal(replies.BAD_LOGIN + replies.TOO_MANY_LOGINS, ends=True) from None
            raise Refusal(replies.BAD_LOGIN) from None
        except HourpostError:
            POP3_LOGINS.labels("unavailable").inc()
            raise


def _nothing() -> None:
    """Nobody watches where nobody has logged in."""
