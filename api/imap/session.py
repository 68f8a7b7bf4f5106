"""The state of one IMAP session, and what every act may do with it: answer, refuse, be put out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass

from api.imap import replies
from api.imap.capabilities import write_capabilities
from api.imap.door import Door
from api.imap.grammar.commands import Command
from api.imap.grammar.framing import Framer
from api.imap.limits import BEFORE_LOGIN
from api.imap.outlet import Outlet
from api.imap.view import View
from hourpost.mailboxes.app_passwords import Service
from hourpost.mailboxes.login import Attempt
from hourpost.mailboxes.login_lookup import MailboxLogin
from hourpost.mailboxes.parcels import Target


def _nothing() -> None:
    """What is to be undone of nothing."""


@dataclass(slots=True)
class Arriving:
    """An APPEND under way: memory that it holds, and what it is refused with at its end."""

    tag: bytes
    target: Target | None = None
    messages: int = 0
    size_bytes: int = 0
    refusal: str = ""


class Session(ABC):
    """The state of one connection. ``is_over``: the last answer was the last."""

    __slots__ = (
        *("address", "answers", "arriving", "door", "enabled", "entered", "failed_logins", "framer", "idle_tag"),
        *("is_over", "is_secure", "outlet", "place", "target", "unwatch", "view", "wakes", "wants_deflate"),
        "wants_tls",
        "_errors",
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
        self.arriving: Arriving | None = None
        self.target: Target | None = None  # of the last APPEND
        self.answers: Callable[[bytes], Awaitable[None]] | None = None  # takes the next line, whatever it is
        self.idle_tag = b""
        self._errors = 0

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

    @abstractmethod
    async def act(self, command: Command, act: Act) -> None:
        """Do it, tell what changed, and end it with its tagged line."""

    def put_out(self) -> None:
        """End: the access to the mailbox was changed."""
        if not self.is_over:
            self.outlet.write(replies.ACCESS_CHANGED)
            self.is_over = True
            self.wakes()

    def answer(self, tag: bytes, text: str) -> None:
        """The tagged line that ends a command."""
        self.outlet.write(tag + f" {text}\r\n".encode("ascii"))

    def refuse(self, tag: bytes, reason: str, answer: str = "BAD") -> None:
        """Answer what cannot be read; too many in a row end the session."""
        self.answer(tag, replies.write_condition(answer, "", reason))
        self._errors += 1
        if self._errors >= self.door.limits.errors:
            self.outlet.write(replies.TOO_MANY_ERRORS)
            self.is_over = True


Act = Callable[[Session, Command], Awaitable[str | None]]
"""Does a command; gives what stands behind the tag, or None when that comes later."""
