"""What a process remembers of logins: right ones for seconds, sessions until they end; changes make it forget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic
from uuid import UUID

import structlog

from hourpost.accounts.notices import STANDING_CHANNEL
from hourpost.credentials.listening import ChangeListener
from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.mailboxes.login_lookup import MailboxLogin, find_ended
from hourpost.mailboxes.notices import ACCESS_CHANNEL

REMEMBERED_SECONDS = 10.0
_MOST_REMEMBERED = 20_000
_NOTICE_SECONDS = 60.0
_PAUSE_SECONDS = 1.0

OnEnd = Callable[[], None]

log = structlog.get_logger(__name__)


class LoginMemory:
    """Nothing is remembered while changes are not heard; after every silence each session is looked at again."""

    def __init__(self, database: Database, changes: ChangeListener | None = None) -> None:
        self._database = database
        self._known: dict[bytes, tuple[float, MailboxLogin]] = {}
        self._sessions: dict[UUID, dict[object, tuple[MailboxLogin, OnEnd]]] = {}
        self._notices: dict[UUID, float] = {}  # when the mailbox, or the account, last changed
        self._silent_at = monotonic()
        self._reviews: set[asyncio.Task[None]] = set()
        self._changes = changes or ChangeListener(database)
        self._changes.subscribe(ACCESS_CHANNEL, on_change=self._hear, on_silence=self._lose_everything)
        self._changes.subscribe(STANDING_CHANNEL, on_change=self._hear_of_account, on_silence=self._lose_everything)

    async def start(self) -> None:
        """Begin to hear of changes. Raises: ServiceUnavailable."""
        await self._changes.start()

    async def stop(self) -> None:
        """Forget, and stop hearing."""
        await self._changes.stop()
        for task in self._reviews:
            task.cancel()
        self._known.clear()

    def find(self, key: bytes) -> MailboxLogin | None:
        """A login that was right a few seconds ago."""
        entry = self._known.get(key)
        return entry[1] if entry is not None and entry[0] > monotonic() else None

    def remember(self, key: bytes, login: MailboxLogin, looked_up_at: float) -> None:
        """Keep a right login, unless something has changed since the moment (monotonic) it was looked up."""
        if not self._changes.hears or looked_up_at <= max(
            self._silent_at, self._noticed_at(login.mailbox_id), self._noticed_at(login.account_id)
        ):
            return
        if len(self._known) >= _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]  # the oldest
        self._known[key] = (monotonic() + REMEMBERED_SECONDS, login)

    def watch(self, login: MailboxLogin, on_end: OnEnd) -> OnEnd:
        """Have ``on_end`` called once this login no longer holds; the answer ends the watch."""
        key = object()
        self._sessions.setdefault(login.mailbox_id, {})[key] = (login, on_end)
        if monotonic() - self._noticed_at(login.mailbox_id) < _NOTICE_SECONDS:  # it may have come before the watch
            self._review([login.mailbox_id])
        return lambda: self._leave(login.mailbox_id, key)

    def _leave(self, mailbox_id: UUID, key: object) -> None:
        sessions = self._sessions.get(mailbox_id, {})
        sessions.pop(key, None)
        if not sessions:
            self._sessions.pop(mailbox_id, None)

    def _noticed_at(self, mailbox_id: UUID) -> float:
        return self._notices.get(mailbox_id, float("-inf"))

    def _hear(self, mailbox_id: UUID) -> None:
        self._note(mailbox_id)
        self._known = {key: entry for key, entry in self._known.items() if entry[1].mailbox_id != mailbox_id}
        if mailbox_id in self._sessions:
            self._review([mailbox_id])

    def _hear_of_account(self, account_id: UUID) -> None:
        """One of its domains may be another's now, who has the same address; sessions stay with the mail they have."""
        self._note(account_id)
        self._known = {key: entry for key, entry in self._known.items() if entry[1].account_id != account_id}

    def _note(self, changed_id: UUID) -> None:
        now = monotonic()
        self._notices = {one: at for one, at in self._notices.items() if now - at < _NOTICE_SECONDS}
        self._notices[changed_id] = now

    def _lose_everything(self) -> None:
        self._silent_at = monotonic()
        self._known.clear()
        if self._sessions:
            self._review(list(self._sessions))

    def _review(self, mailbox_ids: Iterable[UUID]) -> None:
        task = asyncio.create_task(self._end_invalid(list(mailbox_ids)))
        self._reviews.add(task)
        task.add_done_callback(self._reviews.discard)

    async def _end_invalid(self, mailbox_ids: list[UUID]) -> None:
        while True:
            sessions = [one for mailbox_id in mailbox_ids for one in self._sessions.get(mailbox_id, {}).values()]
            try:
                async with self._database.hot_statements() as connection:
                    ended = await find_ended(connection, {login for login, _ in sessions})
                break
            except ServiceUnavailable as error:
                log.warning("sessions could not be looked at again", sessions=len(sessions), cause=error.cause)
                await asyncio.sleep(_PAUSE_SECONDS)
        for login, on_end in sessions:
            if login in ended:
                on_end()
