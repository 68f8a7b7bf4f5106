"""One POP3 session: a short method for each command, no reading and writing of its own (RFC 1939, 2449, 5034, 6856).

A method gives the reply, or a coroutine that will give it; until then nothing else is read. What is long is sent
piece by piece, each when the client has taken the one before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from api.pop3 import fetching, listings, replies
from api.pop3.commands import Command, parse_command, parse_message, parse_number, parse_top, require_nothing
from api.pop3.door import Door
from api.pop3.drop import Drop
from api.pop3.fetching import Send
from api.pop3.replies import Refusal, refuse
from api.pop3.sasl import Login, parse_plain
from api.pop3.visit import Visit
from hourpost.errors import HourpostError

_AHEAD_SECONDS = 5.0

Answer = bytes | Coroutine[Any, Any, bytes]


class Session:
    """The state of one connection. ``is_over``: the last reply was the last."""

    def __init__(self, door: Door, send: Send, end: Callable[[bytes], None], address: str, *, is_secure: bool) -> None:
        self.door = door
        self.visit = Visit(door, address, end)
        self.is_secure = is_secure
        self.is_over = False
        self.wants_tls = False
        self._send = send
        self._username = ""
        self._is_asking = False
        self._is_utf8 = False
        self._commands = 0
        self._errors = 0

    @property
    def drop(self) -> Drop | None:
        """INBOX, for who has logged in."""
        return self.visit.drop

    def greet(self) -> bytes:
        """The first line of the session."""
        return f"+OK {self.door.hostname} POP3 ready\r\n".encode("ascii")

    def secured(self) -> None:
        """Begin anew under TLS (RFC 2595 §4)."""
        self.is_secure, self.wants_tls = True, False
        self._username, self._is_asking, self._is_utf8, self._commands = "", False, False, 0

    def command(self, line: bytes) -> Answer:
        """Answer one line without its end."""
        try:
            if self._is_asking:
                self._is_asking = False
                return self._log_in(parse_plain(line.decode("utf-8", "replace")))
            command = parse_command(line)
            return self._method(command.verb)(self, command)
        except Refusal as refusal:
            return self.refused(refusal)

    def refused(self, refusal: Refusal) -> bytes:
        """Count a refusal; too many in a row end the session."""
        self._errors += 1
        self.is_over = self.is_over or refusal.ends
        if self._errors < self.door.limits.errors or self.is_over:
            return refusal.reply
        self.is_over = True
        return refusal.reply + replies.TOO_MANY_ERRORS

    async def close(self) -> None:
        """Let others at the maildrop; nothing is removed."""
        self.is_over = True
        await self.visit.close()

    def rest(self, idle_seconds: float) -> None:
        """Let go of what was read ahead for a client that takes its time."""
        if self.drop is not None and idle_seconds > _AHEAD_SECONDS:
            self.drop.ahead = {}

    def _method(self, verb: str) -> Callable[[Session, Command], Answer]:
        self._require_patience()
        found = _TRANSACTION if self.drop is not None else _AUTHORIZATION
        method = found.get(verb)
        if method is not None:
            return method
        if verb in _AUTHORIZATION:
            raise refuse("you are logged in already")
        raise refuse("log in first" if verb in _TRANSACTION else "no such command")

    def _require_patience(self) -> None:
        if self.drop is not None:
            return
        self._commands += 1
        if self._commands > self.door.limits.commands_before_login:
            raise Refusal(replies.TOO_MANY_COMMANDS, ends=True)

    # before log-in

    def stls(self, command: Command) -> bytes:
        """STLS; the connection does the handshake when the reply is out."""
        require_nothing(command)
        if self.is_secure:
            raise refuse("TLS is active already")
        if self.door.tls is None:
            raise refuse("TLS is not available")
        self.wants_tls = True
        return replies.GO_AHEAD_TLS

    def user(self, command: Command) -> bytes:
        """USER: any name is taken, so that nobody learns which there are."""
        self._require_tls()
        self._username = command.argument.strip(" ")
        if not self._username:
            raise refuse("write USER and the address of the mailbox")
        return replies.WHO

    def password(self, command: Command) -> Answer:
        """PASS: everything behind the first space, blanks and all."""
        self._require_tls()
        username, self._username = self._username, ""
        if not username:
            raise refuse("say USER first")
        if not command.argument:
            raise refuse("write PASS and the password")
        return self._log_in(Login(username, command.argument))

    def auth(self, command: Command) -> Answer:
        """AUTH PLAIN, at once or after a question; AUTH alone names the mechanisms."""
        words = command.words
        if not words:
            return b"+OK\r\nPLAIN\r\n.\r\n" if self.is_secure else b"+OK\r\n.\r\n"
        self._require_tls()
        if words[0].upper() != "PLAIN" or len(words) > 2:
            raise refuse("the mechanism is PLAIN")
        if len(words) == 2:
            return self._log_in(parse_plain(words[1]))
        self._is_asking = True
        return replies.ASK

    def utf8(self, command: Command) -> bytes:
        """UTF8: headers come as they are; others get a surrogate of what is UTF-8 there (RFC 6856 §2.1, §5)."""
        require_nothing(command)
        self._is_utf8 = True
        return replies.UTF8_ON

    def _require_tls(self) -> None:
        if not self.is_secure:
            raise refuse("encryption required: say STLS first")

    def _log_in(self, login: Login) -> Answer:
        return self._answer(self.visit.enter(login, is_utf8=self._is_utf8))

    # in either state

    def capa(self, command: Command) -> bytes:
        """CAPA: what we can (RFC 2449 §5)."""
        require_nothing(command)
        words = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8 USER"]
        if self.is_secure:
            words += ["USER", "SASL PLAIN"]
        elif self.door.tls is not None:
            words.append("STLS")
        words.append("IMPLEMENTATION Hourpost")
        return "".join(f"{word}\r\n" for word in ("+OK", *words, ".")).encode("ascii")

    def noop(self, command: Command) -> bytes:
        """NOOP."""
        require_nothing(command)
        return replies.OK

    def quit(self, command: Command) -> Answer:
        """QUIT: whatever is marked is removed now, and only now."""
        require_nothing(command)
        self.is_over = True
        return replies.BYE if self.drop is None else self._finish(self.drop)

    async def _finish(self, drop: Drop) -> bytes:
        try:
            await self.door.maildrops.finish(drop.maildrop, drop.deleted, drop.retrieved - drop.deleted)
        except HourpostError:
            return replies.NOT_DELETED
        finally:
            await self.visit.leave()
        return replies.BYE

    # with the maildrop

    def stat(self, command: Command) -> bytes:
        """STAT: how many messages, and their octets."""
        require_nothing(command)
        count, size_bytes = self._drop.left
        return f"+OK {count} {size_bytes}\r\n".encode("ascii")

    def list(self, command: Command) -> Answer:
        """LIST: the octets of one message or of each."""
        return self._list(command, listings.write_size)

    def uidl(self, command: Command) -> Answer:
        """UIDL: the lasting name of one message or of each."""
        return self._list(command, listings.write_name)

    def retr(self, command: Command) -> Answer:
        """RETR: the whole message."""
        number = parse_message(command)
        drop = self._drop
        drop.require(number)
        content = drop.ahead.pop(number, None)
        if content is not None:
            return fetching.write_whole(drop, number, content)
        return self._answer(fetching.retrieve(self.door.maildrops, drop, number, self._send))

    def top(self, command: Command) -> Answer:
        """TOP: the header, and some lines of the body."""
        number, lines = parse_top(command)
        drop = self._drop
        drop.require(number)
        content = drop.ahead.get(number)
        if content is not None:
            return fetching.write_top(content, lines)
        return self._answer(fetching.retrieve_top(self.door.maildrops, drop, (number, lines), self._send))

    def dele(self, command: Command) -> bytes:
        """DELE: gone at QUIT."""
        number = parse_message(command)
        self._drop.require(number)
        self._drop.mark(number)
        return f"+OK message {number} will be removed\r\n".encode("ascii")

    def rset(self, command: Command) -> bytes:
        """RSET: nothing goes."""
        require_nothing(command)
        self._drop.reset()
        return replies.OK

    @property
    def _drop(self) -> Drop:
        assert self.drop is not None
        self._errors = 0
        return self.drop

    def _list(self, command: Command, write: listings.Write) -> Answer:
        number, drop = parse_number(command), self._drop
        if number is None:
            return self._list_all(drop, write)
        drop.require(number)
        return b"+OK " + write(drop, number)

    async def _list_all(self, drop: Drop, write: listings.Write) -> bytes:
        for piece in listings.write_all(drop, write):
            await self._send(piece)
        return replies.END

    async def _answer(self, work: Awaitable[bytes]) -> bytes:
        """What the work gives, or the reply for what it raises."""
        try:
            return await work
        except Refusal as refusal:
            return self.refused(refusal)
        except HourpostError as error:
            return self.refused(Refusal(replies.translate(error)))


_ANYWHERE: dict[str, Callable[[Session, Command], Answer]] = {
    "CAPA": Session.capa,
    "QUIT": Session.quit,
}
_AUTHORIZATION = {
    **_ANYWHERE,
    "STLS": Session.stls,
    "USER": Session.user,
    "PASS": Session.password,
    "AUTH": Session.auth,
    "UTF8": Session.utf8,
}
_TRANSACTION = {
    **_ANYWHERE,
    "NOOP": Session.noop,
    "STAT": Session.stat,
    "LIST": Session.list,
    "UIDL": Session.uidl,
    "RETR": Session.retr,
    "TOP": Session.top,
    "DELE": Session.dele,
    "RSET": Session.rset,
}
