"""One IMAP session: its state, and each command handed to the act of its family.

An act gives what stands behind the tag, or raises; it writes untagged answers itself. Whatever changed meanwhile is
told before the tagged line, expunges only where the command allows that (RFC 9051 §7.5.1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Set
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
from api.imap.capabilities import write_capabilities
from api.imap.door import Door
from api.imap.grammar.commands import BadLine, Command, State, read_command, state_of
from api.imap.grammar.framing import Announced, CommandText, Framer, Skipped, TooLarge, Welcome
from api.imap.limits import BEFORE_LOGIN
from api.imap.outlet import Outlet
from api.imap.replies import Bad, No
from api.imap.view import View
from hourpost.errors import HourpostError
from hourpost.gateways.metrics import IMAP_COMMANDS
from hourpost.mailboxes.app_passwords import Service
from hourpost.mailboxes.login import Attempt
from hourpost.mailboxes.login_lookup import MailboxLogin

log = structlog.get_logger()

# By number these speak of messages that must not move meanwhile; by UID they do not
_NUMBERED = frozenset({"FETCH", "STORE", "SEARCH", "SORT", "THREAD"})


def _nothing() -> None:
    """What is to be undone of nothing."""


class Session:
    """The state of one connection. ``is_over``: the last answer was the last."""

    __slots__ = (
        *("address", "answers", "arriving", "door", "enabled", "entered", "failed_logins", "framer", "idle_tag"),
        *("is_over", "is_secure", "outlet", "place", "unwatch", "view", "wakes", "wants_deflate", "wants_tls"),
        *("_commands", "_errors", "_tag"),
    )

    def __init__(self, door: Door, outlet: Outlet, address: str, wakes: Callable[[], None], *, is_secure: bool) -> None:
        self.door = door
        self.outlet = outlet
        self.address = address
        self.wakes = wakes  # to be called when something was written that no command asked for
        self.is_secure = is_secure
        self.framer = Framer(BEFORE_LOGIN)
        self.is_over = False
        self.wants_tls = False
        self.wants_deflate = False
        self.entered: MailboxLogin | None = None
        self.place = ""  # in the mailbox entered
        self.unwatch: Callable[[], None] = _nothing
        self.view: View | None = None
        self.enabled: Set[str] = frozenset()
        self.failed_logins = 0
        self.arriving: appending.Arriving | None = None
        self.answers: Callable[[bytes], Awaitable[None]] | None = None  # takes the next line, whatever it is
        self.idle_tag = b""
        self._commands = 0
        self._errors = 0
        self._tag = b"*"

    @property
    def is_logged_in(self) -> bool:
        """Whether somebody has entered a mailbox."""
        return self.entered is not None

    @property
    def is_deflated(self) -> bool:
        """Whether compression is active."""
        return self.outlet.is_deflated

    @property
    def message_bytes(self) -> int:
        """The largest message that APPEND takes."""
        return self.door.limits.message_bytes

    @property
    def is_idling(self) -> bool:
        """Whether the client listens in IDLE."""
        return bool(self.idle_tag)

    @property
    def is_utf8(self) -> bool:
        """Whether names and strings go in UTF-8 (RFC 6855, RFC 9051 §5.1)."""
        return bool(self.enabled & {"UTF8=ACCEPT", "IMAP4REV2"})

    def attempt(self, username: str) -> Attempt:
        """A try to log in, as the throttle counts it."""
        return Attempt(username, Service.IMAP, self.address)

    def greet(self) -> None:
        """The first line of the session."""
        self.outlet.write(f"* OK [CAPABILITY {write_capabilities(self)}] {self.door.hostname} ready\r\n".encode())

    def secured(self) -> None:
        """Begin anew under TLS (RFC 9051 §6.2.1)."""
        self.is_secure, self.wants_tls = True, False
        self.framer = Framer(BEFORE_LOGIN)
        self._commands = 0

    def next(self) -> Coroutine[Any, Any, None] | None:
        """The work that what has arrived makes; None when there is not enough of it."""
        if self.answers is not None:
            line = self.framer.line()
            return None if line is None else self._answer(line)
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
        self.leave_folder()
        entering.leave(self)

    def leave_folder(self) -> None:
        """Have no folder selected."""
        selecting.leave(self)

    def hear(self) -> None:
        """The selected folder has changed, or is gone."""
        selecting.hear(self)

    def put_out(self) -> None:
        """End: the access to the mailbox was changed."""
        if not self.is_over:
            self.outlet.write(replies.ACCESS_CHANGED)
            self.is_over = True
            self.wakes()

    def fail(self) -> None:
        """Say that something went wrong that nobody foresaw."""
        announced = self.framer.undecided
        if announced is None:
            self.answer(self._tag, replies.FAILED)
        else:
            appending.fail(self, announced)

    def answer(self, tag: bytes, text: str) -> None:
        """The tagged line that ends a command."""
        self.outlet.write(tag + f" {text}\r\n".encode("ascii"))

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
            command = read_command(frame, is_logged_in=self.is_logged_in, is_utf8=self.is_utf8)
            self._tag = command.tag
            self._admit(command)
        except BadLine as bad:
            self.refuse(bad.tag, bad.reason, bad.answer)
            appending.forget(self)
            return
        IMAP_COMMANDS.labels(command.name).inc()
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

    def refuse(self, tag: bytes, reason: str, answer: str = "BAD") -> None:
        """Answer what cannot be read; too many in a row end the session."""
        self.answer(tag, replies.write_condition(answer, "", reason))
        self._errors += 1
        if self._errors >= self.door.limits.errors:
            self.outlet.write(replies.TOO_MANY_ERRORS)
            self.is_over = True

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


Act = Callable[[Session, Command], Awaitable[str | None]]

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
