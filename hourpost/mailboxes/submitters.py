"""Who sends by SMTP: a credential of the account, or a mailbox with its own address and password."""

from __future__ import annotations

from dataclasses import replace

from hourpost.credentials.standing import StandingCache
from hourpost.mailboxes.app_passwords import Service
from hourpost.mailboxes.login import Attempt, MailboxLogins
from hourpost.rules.submission import Standing
from hourpost.rules.tokens import MAILBOX, PREFIXES

_OF_ACCOUNTS = tuple(prefix for prefix in PREFIXES if prefix != MAILBOX)


class Submitters:
    """Knows both; a password says by its looks whose it is."""

    def __init__(self, standings: StandingCache, logins: MailboxLogins) -> None:
        self._standings = standings
        self._logins = logins

    async def by_smtp_login(self, username: str, password: str, peer: str) -> Standing:
        """Whose login this is. ``peer`` is the IP address it comes from.

        Raises: Forbidden, LimitExceeded (``logins``) while too many were wrong, ServiceUnavailable.
        """
        if "@" not in username or password.startswith(_OF_ACCOUNTS):
            return await self._standings.by_smtp_login(username, password)
        login = await self._logins.log_in(Attempt(username, Service.SMTP, peer), password)
        standing = await self._standings.by_account(login.account_id)
        files_for = dict.fromkeys(login.addresses, login.mailbox_id)
        addresses = frozenset(login.addresses)
        return replace(standing, kind="mailbox", scope="sending", addresses=addresses, files_for=files_for)
