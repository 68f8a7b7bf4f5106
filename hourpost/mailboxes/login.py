"""Logging in to mailboxes: who it is, remembered for seconds, ended at once when the password no longer holds."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from hourpost.accounts.passwords import is_password
from hourpost.credentials.listening import ChangeListener
from hourpost.credentials.usage import UsageLog
from hourpost.database import Database
from hourpost.errors import Forbidden, LimitExceeded, ServiceUnavailable
from hourpost.gateways.attempts import Attempts, Counted, Home
from hourpost.gateways.clock import Clock
from hourpost.gateways.encryption import Cipher
from hourpost.mailboxes.app_passwords import Service
from hourpost.mailboxes.login_lookup import (
    Candidate,
    MailboxLogin,
    ScramCandidate,
    find_by_address,
    find_by_token,
    list_scram_candidates,
)
from hourpost.mailboxes.login_memory import LoginMemory
from hourpost.mailboxes.scram_keys import keep_app_keys, keep_keys, make_keys, seal_keys
from hourpost.rules.networks import network_of
from hourpost.rules.tokens import MAILBOX, digest, looks_valid

_WRONG = "Authentication failed."
# Mail programs try again by themselves, several of them from behind one address
_FREE_BY_MAILBOX, _FREE_BY_ADDRESS, _FREE_BY_PAIR = 20, 50, 10
_LONGEST_WAIT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try to log in; ``peer`` is the IP address that it comes from."""

    address: str
    service: Service
    peer: str

    @property
    def name(self) -> str:
        """The address as it is stored and counted."""
        return _clean(self.address).strip().lower()

    @property
    def counted(self) -> tuple[Counted, Counted, Counted]:
        """What wrong passwords are counted by: the mailbox, the place, both together.

        Where the mailbox was opened before none holds: a telephone with an old password locks no other program out.
        """
        place = network_of(self.peer)
        return (
            Counted("mailbox", self.name, _FREE_BY_MAILBOX, _LONGEST_WAIT_SECONDS, holds_at_home=False),
            Counted("mailbox-from", place, _FREE_BY_ADDRESS, _LONGEST_WAIT_SECONDS, holds_at_home=False),
            Counted("mailbox-pair", f"{place} {self.name}", _FREE_BY_PAIR, _LONGEST_WAIT_SECONDS, holds_at_home=False),
        )

    @property
    def home(self) -> Home:
        """Where the mailbox is opened."""
        return Home("mailbox", self.name, network_of(self.peer))


class MailboxLogins:
    """The logins of one process. ``key`` makes salts for addresses that do not exist, the same everywhere."""

    def __init__(
        self,
        database: Database,
        attempts: Attempts,
        clock: Clock,
        cipher: Cipher,
        *,
        key: bytes,
        changes: ChangeListener | None = None,
    ) -> None:
        self._database = database
        self._attempts = attempts
        self._cipher = cipher
        self._key = key
        self._memory = LoginMemory(database, changes)
        self._usage = UsageLog(database, clock, "app_passwords")
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Hear of changes, and write down from time to time what was used. Raises: ServiceUnavailable."""
        await self._memory.start()
        self._usage.start()

    async def stop(self) -> None:
        """Write down what was used, and hear no more."""
        await self._usage.stop()
        await self._memory.stop()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def log_in(self, attempt: Attempt, password: str) -> MailboxLogin:
        """Who it is: an address or alias with the mailbox's password, or with an app password that has the scope.

        Every refusal has the same words after the same work, whichever half was wrong.

        Raises: Forbidden (``invalid_login``); LimitExceeded (``logins``) while too many were wrong; ServiceUnavailable.
        """
        key, now = _memory_key(attempt, password), monotonic()
        login = self._memory.find(key)
        if login is not None:
            return self._used(login)
        if password.startswith(MAILBOX) and looks_valid(password):
            login = await self._by_token(attempt, password)
        else:
            login = await self._by_password(attempt, password)
        self._memory.remember(key, login, now)
        return login

    async def offer_scram(self, attempt: Attempt) -> tuple[bytes, list[ScramCandidate]]:
        """The salt to tell, and whose proof may come; for an address that nobody has a salt and nobody.

        Raises: ServiceUnavailable.
        """
        async with self._database.hot_statements() as connection:
            found = await list_scram_candidates(connection, attempt.name, attempt.service, self._cipher)
        if found is not None:
            return found
        return hmac.digest(self._key, b"scram salt " + _bytes(attempt.name), "sha256")[:16], []

    async def finish_scram(self, attempt: Attempt, candidate: ScramCandidate | None) -> MailboxLogin:
        """Who it is, once a proof fitted; None where it fitted nobody's. Raises: Forbidden, LimitExceeded.

        A password of one's own can be guessed, so a right one counts too until it is known to be right.
        """
        if candidate is None or candidate.login.app_password_id is None:
            await self._begin(attempt)
        if candidate is None:
            raise Forbidden("invalid_login", _WRONG)
        await self._succeed(attempt)
        return self._used(candidate.login)

    def watch(self, login: MailboxLogin, on_end: Callable[[], None]) -> Callable[[], None]:
        """Have ``on_end`` called once this login no longer holds; the answer ends the watch."""
        return self._memory.watch(login, on_end)

    async def _by_token(self, attempt: Attempt, password: str) -> MailboxLogin:
        """App passwords cannot be guessed: only wrong ones are counted."""
        async with self._database.hot_statements() as connection:
            candidate = await find_by_token(connection, attempt.name, digest(password), attempt.service)
        if candidate is None:
            await self._begin(attempt)
            raise Forbidden("invalid_login", _WRONG)
        self._later(self._succeed(attempt))
        self._keep_keys(candidate, password)
        return self._used(candidate.login)

    async def _by_password(self, attempt: Attempt, password: str) -> MailboxLogin:
        await self._begin(attempt)
        async with self._database.hot_statements() as connection:
            candidate = await find_by_address(connection, attempt.name, attempt.service)
        right = await is_password(_clean(password), candidate.password_hash if candidate else None)
        if candidate is None or not right:
            raise Forbidden("invalid_login", _WRONG)
        await self._succeed(attempt)
        self._keep_keys(candidate, password)
        return candidate.login

    def _keep_keys(self, candidate: Candidate, password: str) -> None:
        """Have the keys of SCRAM, where they could not be made before because nobody had told the password."""
        if not candidate.has_keys:
            self._later(self._make_keys(candidate, _clean(password)))

    async def _make_keys(self, candidate: Candidate, password: str) -> None:
        keys, login = await make_keys(password, candidate.salt), candidate.login
        with suppress(ServiceUnavailable):  # then at the next log-in
            async with self._database.hot_statements() as connection:
                if login.app_password_id is not None:
                    await keep_app_keys(connection, login.app_password_id, keys)
                else:
                    sealed = seal_keys(self._cipher, keys, candidate.salt)
                    await keep_keys(connection, login.mailbox_id, login.access_generation, sealed)

    async def _begin(self, attempt: Attempt) -> None:
        if wait_seconds := await self._attempts.take(attempt.counted, attempt.home):
            message = "Too many failed attempts; try again later."
            raise LimitExceeded("logins", message, retry_after_seconds=wait_seconds)

    async def _succeed(self, attempt: Attempt) -> None:
        by_mailbox, by_address, by_pair = attempt.counted
        await self._attempts.succeed(forget=[by_pair], uncount=[by_mailbox, by_address], home=attempt.home)

    def _used(self, login: MailboxLogin) -> MailboxLogin:
        if login.app_password_id is not None:
            self._usage.credentials.add(login.app_password_id)
        return login

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _memory_key(attempt: Attempt, password: str) -> bytes:
    return hashlib.sha256(b"\0".join(map(_bytes, (attempt.service, attempt.name, password)))).digest()


def _clean(text: str) -> str:
    """The text without what neither PostgreSQL nor a hash takes."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
