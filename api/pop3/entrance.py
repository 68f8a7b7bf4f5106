"""Log-ins by POP3 as the mailboxes know them."""

from __future__ import annotations

from collections.abc import Callable

from api.pop3.door import Entered
from hourpost.mailboxes.app_passwords import Service
from hourpost.mailboxes.login import Attempt, MailboxLogins
from hourpost.mailboxes.login_lookup import MailboxLogin


class MailboxEntrance:
    """Lets in who has the mailbox's password, or an app password for POP3."""

    def __init__(self, logins: MailboxLogins) -> None:
        self._logins = logins

    async def log_in(self, username: str, password: str, peer: str) -> MailboxLogin:
        """Who this is. Raises: Forbidden, LimitExceeded, ServiceUnavailable."""
        return await self._logins.log_in(Attempt(username, Service.POP3, peer), password)

    def watch(self, entered: Entered, on_end: Callable[[], None]) -> Callable[[], None]:
        """Have ``on_end`` called once the password is changed or revoked; the answer ends the watch."""
        assert isinstance(entered, MailboxLogin)
        return self._logins.watch(entered, on_end)
