"""What arrives in a session, each command handed to the act of its family.

An act gives what stands behind the tag, or raises; it writes untagged answers itself. Whatever changed meanwhile is
told before the tagged line, expunges only where the command allows that (RFC 9051 §7.5.1).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any

import structlog

from api.imap import replies
from api.imap.acts import (
    access,
    appending,
    copying,
    entering,
    fetching,
    folders,
    listing,
    quota,
    searching,
    selecting,
    storing,
)
from api.imap.door import Door
from api.imap.grammar.commands import BadLine, Command, State, read_command, state_of
from api.imap.grammar.framing import Announced, CommandText, Skipped, TooLarge, Welcome
from api.imap.outlet import Outlet
from api.imap.replies import Bad, No
from api.imap.session import Act, Session
from hourpost.errors import HourpostError
from hourpost.gateways.metrics import IMAP_COMMANDS

log = structlog.get_logger()

# By number these speak of messages that must not move meanwhile; by UID they do not
_NUMBERED = frozenset({"FETCH", "STORE", "SEARCH", "SORT", "THREAD"})


_counter = cache(IMAP_COMMANDS.labels)


class Dispatcher(Session):
    """A session at work: its connection feeds ``framer``, and runs what ``next`` gives, one after the other."""

    __slots__ = ("_commands", "_tag")

    def __init__(self, door: Door, outlet: Outlet, address: str, wakes: Callable[[], None], *, is_secure: bool) -> None:
        super().__init__(door, outlet, address, wakes, is_secure=is_secure)
        self._commands = 0  # before log-in
        self._tag = b"*"

    def secured(self) -> None:
        """Begin anew under TLS (RFC 9051 §6.2.1)."""
        super().secured()
        self._commands = 0

    def next(self) -> Coroutine[Any, Any, None] | None:
        """The work that what has arrived makes; None when there is not enough of it."""
        if self.answers is not None:
            line = self.framer.line()
            return None if line is None else self._answer(line)
        frame = self.framer.next()
        while isinstance(frame, Announced) and appending.lets_in(self, frame):
            frame = self.framer.next()
        if frame is None:
            return None
        if isinstance(frame, CommandText):
            return self._command(frame)
        return self._between(frame)

    def close(self) -> None:
        """Let go of everything."""
        self.is_over = True
        appending.forget(self)
        selecting.leave(self)
        entering.leave(self)

    def fail(self) -> None:
        """Say that something went wrong that nobody foresaw."""
        announced = self.framer.undecided
        if announced is None:
            self.answer(self._tag, replies.FAILED)
        else:
            appending.fail(self, announced)

    # what is between commands

    async def _answer(self, line: bytes | TooLarge) -> None:
        take, self.answers = self.answers, None
        assert take is not None
        if isinstance(line, TooLarge):
            self._end_for(line)
        else:
            await take(line)

    async def _between(self, frame: Announced | Welcome | TooLarge | Skipped) -> None:
        if isinstance(frame, Welcome):
            self.outlet.write(replies.GO_ON)
        elif isinstance(frame, Announced):
            await appending.announced(self, frame)
        elif isinstance(frame, Skipped):
            appending.skipped(self)
        elif frame.tag:
            self.answer(frame.tag, str(No("TOOBIG", frame.reason)))
        else:
            self._end_for(frame)

    def _end_for(self, frame: TooLarge) -> None:
        self.outlet.write(replies.untagged(replies.write_condition("BYE", "TOOBIG", frame.reason)))
        self.is_over = True

    # commands

    async def _command(self, frame: CommandText) -> None:
        self._tag = b"*"
        try:
            is_utf8, takes_charset = self.is_utf8, "UTF8=ACCEPT" not in self.enabled
            command = read_command(frame, is_logged_in=self.is_logged_in, is_utf8=is_utf8, takes_charset=takes_charset)
            self._tag = command.tag
            self._admit(command)
        except BadLine as bad:
            if bad.forgets and self.view is not None:
                self.view.saved = ()
            self.refuse(bad.tag, bad.reason, bad.answer)
            appending.forget(self)
            return
        _counter(command.name).inc()
        await self.act(command, _ACTS[command.name])

    async def act(self, command: Command, act: Act) -> None:
        """Do it, tell what changed, and end it with its tagged line."""
        outcome: str | None
        try:
            outcome = await act(self, command)
        except No as no:
            outcome = str(no)
        except Bad as bad:
            outcome = f"BAD {bad}"
        except HourpostError as error:
            outcome = str(replies.translate(error))
        if outcome is None:
            return
        if self.view is not None:
            await selecting.tell(self, may_expunge=command.is_uid or command.name not in _NUMBERED)
        self._errors = 0
        self.answer(command.tag, outcome)
        selecting.end_without_folder(self)

    def _admit(self, command: Command) -> None:
        """Raises: BadLine for a command that does not belong here."""
        state = state_of(command.name)
        if not self.is_logged_in:
            self._commands += 1
            if self._commands > self.door.limits.commands_before_login:
                self.outlet.write(replies.TOO_MANY_COMMANDS)
                self.is_over = True
        if state in (State.AFTER_LOGIN, State.SELECTED) and not self.is_logged_in:
            raise BadLine(command.tag, "log in first")
        if state is State.BEFORE_LOGIN and self.is_logged_in:
            raise BadLine(command.tag, "you are logged in already")
        if state is State.SELECTED and self.view is None:
            raise BadLine(command.tag, "select a folder first")


_ACTS: dict[str, Act] = {
    "CAPABILITY": access.capability,
    "NOOP": access.noop,
    "LOGOUT": access.logout,
    "ID": access.identify,
    "STARTTLS": access.start_tls,
    "LOGIN": access.login,
    "AUTHENTICATE": access.authenticate,
    "ENABLE": access.enable,
    "COMPRESS": access.compress,
    "NAMESPACE": listing.namespace,
    "LIST": listing.list_all,
    "LSUB": listing.lsub,
    "STATUS": listing.status,
    "IDLE": selecting.idle,
    "SELECT": selecting.select,
    "EXAMINE": selecting.select,
    "CHECK": access.noop,
    "CLOSE": selecting.close,
    "UNSELECT": selecting.unselect,
    "CREATE": folders.create,
    "DELETE": folders.delete,
    "RENAME": folders.rename,
    "SUBSCRIBE": folders.subscribe,
    "UNSUBSCRIBE": folders.subscribe,
    "APPEND": appending.append,
    "GETQUOTA": quota.get_quota,
    "GETQUOTAROOT": quota.get_quota_root,
    "SETQUOTA": quota.set_quota,
    "EXPUNGE": storing.expunge,
    "STORE": storing.store,
    "COPY": copying.copy,
    "MOVE": copying.move,
    "FETCH": fetching.fetch,
    "SEARCH": searching.search,
    "SORT": searching.sort,
    "THREAD": searching.thread,
}
