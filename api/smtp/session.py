"""One SMTP session: a short method for each command, no reading and writing of its own (RFC 5321, 6409).

A method gives the reply, or a coroutine that will give it; until then nothing else is read. What arrives in the
middle of a message goes to ``reader``, and ``finish`` is called at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from api.smtp import replies
from api.smtp.commands import (
    Command,
    MailRequest,
    RecipientRequest,
    parse_chunk,
    parse_client_name,
    parse_command,
    parse_mail,
    parse_recipient,
)
from api.smtp.door import Door
from api.smtp.login import LoginDialog, verify
from api.smtp.readers import ChunkReader, DataReader, Held
from api.smtp.replies import Refusal, refuse
from api.smtp.role import Role
from api.smtp.sasl import Login
from api.smtp.transaction import Transaction
from hourpost.aside import aside
from hourpost.errors import HourpostError
from hourpost.gateways.metrics import SMTP_LOGINS, SMTP_MESSAGES
from hourpost.rules.canonical import ContentError
from hourpost.rules.ids import new_id
from hourpost.rules.incoming import Hop
from hourpost.rules.submission import Standing

Answer = bytes | Coroutine[Any, Any, bytes]

# Their answer changes what the bytes behind them mean, so that nothing may wait there (RFC 2920 §3.1)
_ALONE = frozenset({"EHLO", "HELO", "STARTTLS", "AUTH", "DATA"})
_BEFORE_TLS = frozenset({"EHLO", "HELO", "STARTTLS", "NOOP", "HELP", "QUIT", "RSET", "AUTH", "BDAT"})


class Session:
    """The state of one connection. ``is_over``: the last reply was the last."""

    def __init__(self, door: Door, role: Role, address: str, *, is_secure: bool) -> None:
        self.door = door
        self.role = role
        self.address = address
        self.is_secure = is_secure
        self.is_over = False
        self.wants_tls = False
        self.reader: DataReader | ChunkReader | None = None
        self.standing: Standing | None = None
        self.login: Login | None = None
        self.failed_logins = 0
        self._id: UUID | None = None  # of the first message on
        self._errors = 0
        self._client_name = ""
        self._was_greeted = False
        self._is_extended = False
        self._dialog: LoginDialog | None = None
        self._transaction: Transaction | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no mail transaction is under way."""
        return self._transaction is None and self.reader is None

    @property
    def is_introduced(self) -> bool:
        """Whether it has said who it is: by a log-in, or on port 25 by its name."""
        return self.standing is not None if self.role.offers_auth else self._was_greeted

    def greet(self) -> bytes:
        """The first line of the session."""
        return f"220 {self.door.hostname} ESMTP ready\r\n".encode("ascii")

    def secured(self) -> None:
        """Begin anew under TLS (RFC 3207 §4.2)."""
        self.is_secure, self.wants_tls = True, False
        self._client_name, self._is_extended = "", False
        self._forget()

    def command(self, line: bytes, *, has_more: bool) -> Answer:
        """Answer one line without its CRLF; ``has_more``: the client wrote on without waiting."""
        try:
            if self._dialog is not None:
                return self._continue_login(line, has_more=has_more)
            command = parse_command(line)
            method = _COMMANDS.get(command.verb)
            if method is None:
                raise refuse(500, "5.5.1", "command not recognised")
            if has_more and command.verb in _ALONE:
                raise refuse(
                    503, "5.5.1", f"wait for the answer to {command.verb} before sending on; closing", ends=True
                )
            if not self.is_secure and self.role.requires_tls and command.verb not in _BEFORE_TLS:
                raise refuse(530, "5.7.0", "must issue a STARTTLS command first")
            return method(self, command)
        except Refusal as refusal:
            return self.refused(refusal)

    def refused(self, refusal: Refusal) -> bytes:
        """Count a refusal; too many end the session."""
        self._errors += refusal.is_error
        self.is_over = self.is_over or refusal.ends
        if self._errors < self.door.limits.errors or self.is_over:
            return refusal.reply
        self.is_over = True
        return refusal.reply + replies.TOO_MANY_ERRORS

    # commands

    def helo(self, command: Command) -> bytes:
        """HELO: the session of 1982."""
        self._client_name = parse_client_name(command.argument)
        self._was_greeted, self._is_extended = True, False
        self._forget()
        return f"250 {self.door.hostname}\r\n".encode("ascii")

    def ehlo(self, command: Command) -> bytes:
        """EHLO: what we can, in one piece."""
        self._client_name = parse_client_name(command.argument)
        self._was_greeted = self._is_extended = True
        self._forget()
        words = [self.door.hostname, f"SIZE {self.door.limits.message_bytes}", "PIPELINING", "8BITMIME", "SMTPUTF8"]
        words += ["ENHANCEDSTATUSCODES", "DSN", "CHUNKING"]
        if self.door.tls is not None and not self.is_secure:
            words.append("STARTTLS")
        if self.is_secure and self.role.offers_auth and self.standing is None:
            words.append("AUTH PLAIN LOGIN")
        lines = [f"250-{word}\r\n" for word in words[:-1]] + [f"250 {words[-1]}\r\n"]
        return "".join(lines).encode("ascii")

    def starttls(self, command: Command) -> bytes:
        """STARTTLS; the connection does the handshake when the reply is out."""
        if command.argument:
            raise refuse(501, "5.5.4", "STARTTLS takes no parameter")
        if self.is_secure:
            raise refuse(503, "5.5.1", "TLS is active already")
        if self.door.tls is None:
            raise refuse(454, "4.7.0", "TLS is not available")
        self.wants_tls = True
        return replies.GO_AHEAD_TLS

    def auth(self, command: Command) -> Answer:
        """AUTH, only under TLS and before a transaction (RFC 4954 §4)."""
        if not self.role.offers_auth:
            raise refuse(502, "5.5.1", "log in on the submission ports 587 and 465")
        if not self.is_secure:
            raise refuse(538, "5.7.11", "encryption required: issue STARTTLS first")
        if not self._is_extended or self.standing is not None or self._transaction is not None:
            raise Refusal(replies.OUT_OF_SEQUENCE)
        dialog = LoginDialog()
        return self._go_on(dialog, dialog.begin(command.argument))

    def mail(self, command: Command) -> bytes:
        """MAIL: who sends."""
        if not self._client_name:
            raise refuse(503, "5.5.1", "say EHLO first")
        if self._transaction is not None:
            raise refuse(503, "5.5.1", "a transaction is open already; end it or say RSET")
        request = parse_mail(command.argument, is_from_outside=not self.role.offers_auth)
        self.role.admit_sender(self.standing, request)
        if request.size_bytes > self.door.limits.message_bytes:
            raise Refusal(replies.TOO_LARGE)
        self._id = self._id or new_id()
        self._transaction = Transaction(request, self._hop(request), session_id=self._id)
        return replies.SENDER_OK

    def rcpt(self, command: Command) -> Answer:
        """RCPT: who is to get it."""
        transaction = self._transaction
        if transaction is None or transaction.chunks is not None:
            raise refuse(503, "5.5.1", "say MAIL first" if transaction is None else "the message has begun already")
        request = parse_recipient(
            command.argument,
            smtputf8=transaction.mail.smtputf8,
            hostname=self.door.hostname,
            is_from_outside=not self.role.offers_auth,
        )
        most = self.role.recipients or self.door.limits.recipients
        if len(transaction.recipients) >= most:
            raise replies.too_many_recipients(most)
        look = self.role.admit_recipient(self.standing, transaction, request)
        if look is not None:
            return self._admit(look, transaction, request)
        transaction.add(request)
        return replies.RECIPIENT_OK

    async def _admit(
        self, look: Coroutine[Any, Any, None], transaction: Transaction, request: RecipientRequest
    ) -> bytes:
        try:
            await look
        except Refusal as refusal:
            return self.refused(refusal)
        except HourpostError as error:
            return replies.translate(error)
        transaction.add(request)
        return replies.RECIPIENT_OK

    def data(self, command: Command) -> bytes:
        """DATA: the message follows, up to its dot."""
        transaction = self._transaction
        if transaction is None or transaction.chunks is not None:
            raise refuse(503, "5.5.1", "say MAIL first" if transaction is None else "go on with BDAT, or say RSET")
        if command.argument:
            raise refuse(501, "5.5.4", "DATA takes no parameter")
        if not transaction.recipients:
            raise Refusal(replies.NO_RECIPIENTS)
        self.reader = DataReader(self.door.limits.message_bytes, self.door.budget)
        return replies.GO_AHEAD_DATA

    def bdat(self, command: Command) -> bytes:
        """BDAT: a chunk follows. Its bytes are read, also those of one that is refused (RFC 3030 §2)."""
        size_bytes, is_last = parse_chunk(command.argument)
        transaction = self._transaction
        if transaction is None or transaction.is_spoilt:
            self.reader = ChunkReader(size_bytes, None, refusal=replies.OUT_OF_SEQUENCE)
        elif not transaction.recipients:
            transaction.is_spoilt = True
            self.reader = ChunkReader(size_bytes, None, refusal=replies.NO_RECIPIENTS)
        else:
            if transaction.chunks is None:
                transaction.chunks = Held(self.door.limits.message_bytes, self.door.budget)
            self.reader = ChunkReader(size_bytes, transaction.chunks, is_last=is_last)
        return b""

    def rset(self, command: Command) -> bytes:
        """RSET: no transaction any more."""
        self._forget()
        return replies.OK

    def noop(self, command: Command) -> bytes:
        """NOOP."""
        return replies.OK

    def help(self, command: Command) -> bytes:
        """HELP."""
        return replies.HELP

    def vrfy(self, command: Command) -> bytes:
        """VRFY: we do not say who exists."""
        return replies.VRFY

    def expn(self, command: Command) -> bytes:
        """EXPN: there are no lists."""
        raise refuse(502, "5.5.1", "there are no lists here")

    def quit(self, command: Command) -> bytes:
        """QUIT."""
        self.is_over = True
        return replies.BYE

    # messages

    def finish(self) -> Answer:
        """Answer what the reader has read to its end."""
        reader, self.reader = self.reader, None
        if isinstance(reader, DataReader):
            return self._finish_data(reader)
        assert reader is not None
        return self._finish_chunk(reader)

    def _finish_data(self, reader: DataReader) -> Answer:
        transaction, self._transaction = self._transaction, None
        assert transaction is not None
        if reader.is_too_large or reader.is_crowded:
            reader.release()
            return self.refused(Refusal(replies.TOO_LARGE if reader.is_too_large else replies.CROWDED))
        return self._submit(transaction, reader)

    def _finish_chunk(self, reader: ChunkReader) -> Answer:
        if reader.refusal:
            return self.refused(Refusal(reader.refusal))
        transaction = self._transaction
        assert transaction is not None
        assert transaction.chunks is not None
        chunks = transaction.chunks
        if chunks.dropped_bytes:
            transaction.is_spoilt = True
            return self.refused(Refusal(replies.CROWDED if chunks.is_crowded else replies.TOO_LARGE))
        if not reader.is_last:
            return replies.CHUNK_OK
        self._transaction = None
        return self._submit(transaction, chunks)

    async def _submit(self, transaction: Transaction, source: DataReader | Held) -> bytes:
        reply = await self._take(transaction, source)
        SMTP_MESSAGES.labels(reply[:3].decode("ascii")).inc()
        return reply

    async def _take(self, transaction: Transaction, source: DataReader | Held) -> bytes:
        try:
            content = await aside(source.size_bytes, source.content)
            return await self.role.take(self.login, transaction, content)
        except ContentError as error:
            return self.refused(Refusal(f"{error.reply}\r\n".encode("ascii")))
        except Refusal as refusal:
            return self.refused(refusal)
        except HourpostError as error:
            return replies.translate(error)
        finally:
            source.release()

    def _hop(self, request: MailRequest) -> Hop:
        """Where the transaction comes from (RFC 3848, RFC 6531 §4.3)."""
        extended = "UTF8SMTP" if request.smtputf8 else "ESMTP"
        protocol = (extended if self._is_extended else "SMTP") + ("S" if self.is_secure and self._is_extended else "")
        return Hop(self._client_name, self.address, protocol)

    def _forget(self) -> None:
        """End the transaction, whatever there is of it."""
        transaction, self._transaction = self._transaction, None
        if transaction is not None and transaction.chunks is not None:
            transaction.chunks.release()

    def close(self) -> None:
        """Give back what a session holds that ends in the middle of something."""
        if isinstance(self.reader, DataReader):
            self.reader.release()
        self._forget()

    # login

    def _continue_login(self, line: bytes, *, has_more: bool) -> Answer:
        dialog, self._dialog = self._dialog, None
        assert dialog is not None
        if has_more:
            raise refuse(503, "5.5.1", "wait for the answer to AUTH before sending on; closing", ends=True)
        return self._go_on(dialog, dialog.proceed(line))

    def _go_on(self, dialog: LoginDialog, outcome: bytes | Login) -> Answer:
        if isinstance(outcome, Login):
            return self._log_in(outcome)
        self._dialog = dialog
        return outcome

    async def _log_in(self, login: Login) -> bytes:
        try:
            self.standing = await verify(self.door, self.role, self.address, login)
        except Refusal as refusal:
            SMTP_LOGINS.labels(refusal.reply[:3].decode("ascii")).inc()
            self.failed_logins += refusal.reply.startswith(b"535")
            if self.failed_logins < self.door.limits.failed_logins:
                return self.refused(refusal)
            self.is_over = True
            return refusal.reply + replies.TOO_MANY_LOGINS
        self.login = login
        SMTP_LOGINS.labels("235").inc()
        return replies.LOGGED_IN


_COMMANDS: dict[str, Callable[[Session, Command], Answer]] = {
    "HELO": Session.helo,
    "EHLO": Session.ehlo,
    "STARTTLS": Session.starttls,
    "AUTH": Session.auth,
    "MAIL": Session.mail,
    "RCPT": Session.rcpt,
    "DATA": Session.data,
    "BDAT": Session.bdat,
    "RSET": Session.rset,
    "NOOP": Session.noop,
    "HELP": Session.help,
    "VRFY": Session.vrfy,
    "EXPN": Session.expn,
    "QUIT": Session.quit,
}
