"""One session with the sink: as little work as an SMTP server can do, and what goes wrong where it is told to."""

from __future__ import annotations

import asyncio
import re
import ssl
from base64 import b64encode
from collections import deque
from typing import cast

from bench.sink_state import Ledger

_BY_RECIPIENT = re.compile(
    rb"(bounce|defer|dot|slow|drop-at-rcpt|drop-after-data|drop-before-answer|drop-after-dot|hang-at-rcpt|hang-after-dot)"
    rb"(?:\+(\d+))?(?:[.+][^@]*)?@"
)
_FAULTY = (b"bounce", b"defer", b"dot", b"slow", b"drop-", b"hang-")
_END = b"\r\n.\r\n"
_START = b"\r\n"


class Session(asyncio.Protocol):
    """One connection. Commands are found by their first four letters; a message is cut out where its dot is."""

    def __init__(self, ledger: Ledger, sessions: set[Session]) -> None:
        self.ledger = ledger
        self.sessions = sessions
        self.config = ledger.config
        self.transport: asyncio.Transport | None = None
        self.rest = b""
        self.body: list[bytes] | None = None
        self.sender: bytes | None = None
        self.recipients: list[bytes] = []
        self.is_authenticated = not ledger.config.user
        self.is_encrypted = ledger.config.implicit_tls
        self.is_upgrading = False
        self.is_silent = False
        self.is_ending = False
        self.auth_step = 0
        self.taken = 0
        self.last_due = 0.0
        self.outbox: deque[bytes] = deque()
        self.dot_fault = ""
        self.dot_delay = 0.0
        self.loop = asyncio.get_running_loop()

    # the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets."""
        self.transport = cast(asyncio.Transport, transport)
        self.sessions.add(self)
        self.ledger.stats.connections += 1
        fault = self.fault("connect")
        self.say(b"220 sink ESMTP\r\n" if fault is None else fault)
        if self.is_ending:
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the session."""
        self.transport = None
        self.sessions.discard(self)

    def data_received(self, data: bytes) -> None:
        """Works through what came and answers all of it in one write."""
        if self.is_upgrading:
            # Reading was paused before, so this has come through TLS, ahead of start_tls returning.
            self.rest += data
            return
        if self.is_silent:
            return
        out = self.work_through(self.rest + data if self.rest else data)
        if out:
            self.say(b"".join(out))
        if self.is_ending:
            self.end()

    def work_through(self, data: bytes) -> list[bytes]:
        """Takes commands and content as they come; gives the answers."""
        out: list[bytes] = []
        self.rest = b""
        while data and not self.is_silent and not self.is_upgrading:
            if self.body is not None:
                data = self.read_body(data, out)
                continue
            line, newline, following = data.partition(b"\r\n")
            if not newline:
                self.rest = data
                break
            data = following
            out.append(self.command(line))
        return out

    def say(self, data: bytes, extra_delay: float = 0.0) -> None:
        """Answers, later where delays are configured, always in order."""
        if self.transport is None or not data:
            return
        delay = self.config.delay_per_round + extra_delay
        if delay or self.outbox:
            self.last_due = max(self.last_due, self.loop.time() + delay)
            self.outbox.append(data)
            self.loop.call_at(self.last_due, self.write_next)
        else:
            self.transport.write(data)

    def write_next(self) -> None:
        """Writes the oldest answer that was delayed; timers that are due together may run in any order."""
        data = self.outbox.popleft()
        if self.transport is not None:
            self.transport.write(data)

    def end(self) -> None:
        """Closes when what was said before has gone out."""
        if self.transport is not None:
            self.loop.call_at(max(self.last_due + 0.002, self.loop.time()), self.transport.close)

    def leave(self, reply: bytes = b"") -> bytes:
        """The session ends after this reply, or without one."""
        self.is_silent = self.is_ending = True
        return reply

    def fault(self, stage: str) -> bytes | None:
        """What is configured to go wrong here: the bytes to say, empty for silence; ``None`` for nothing."""
        fault = self.config.faults.get(stage)
        action = fault.spend() if fault is not None else ""
        return self.act(action) if action else None

    def act(self, action: str) -> bytes:
        """Carries out an action."""
        if action == "drop":
            return self.leave()
        if action == "hang":
            self.is_silent = True
            return b""
        if action == "garbage":
            return b"HTTP/1.1 400 Bad Request\r\n"
        self.ledger.stats.refused += 1
        reply = f"{action if ' ' in action else f'{action} {action[0]}.0.0 as configured'}\r\n".encode()
        return self.leave(reply) if action == "421" else reply

    # commands

    def command(self, line: bytes) -> bytes:
        """One command, one answer."""
        if self.auth_step:
            return self.auth_continue(line)
        verb = line[:4].upper()
        if verb == b"RCPT":
            return self.rcpt(line)
        if verb == b"MAIL":
            return self.mail(line)
        if verb == b"DATA":
            return self.data()
        command = _OTHERS.get(verb)
        return command(self, line) if command else b"500 5.5.1 what?\r\n"

    def ehlo(self, line: bytes) -> bytes:
        """Lists what we can."""
        self.reset()
        words = ["sink", f"SIZE {self.config.size}", *self.config.extensions]
        if self.config.pipelining:
            words.append("PIPELINING")
        if self.config.tls is not None and not self.is_encrypted:
            words.append("STARTTLS")
        elif self.config.user:
            words.append("AUTH PLAIN LOGIN")
        lines = [f"250-{word}\r\n" for word in words[:-1]] + [f"250 {words[-1]}\r\n"]
        return self.or_fault("ehlo", "".join(lines).encode())

    def or_fault(self, stage: str, answer: bytes) -> bytes:
        """The answer, unless something is to go wrong at this stage."""
        fault = self.fault(stage) if self.config.faults else None
        return answer if fault is None else fault

    def starttls(self, line: bytes) -> bytes:
        """Changes to TLS; what follows in clear is dropped."""
        fault = self.fault("starttls")
        if fault is not None:
            return fault
        if self.config.tls is None or self.is_encrypted:
            return b"503 5.5.1 no TLS\r\n"
        self.is_upgrading = True
        if self.transport is not None:
            # The handshake may begin before our side of it is set up.
            self.transport.pause_reading()
        self.say(b"220 2.0.0 go ahead\r\n")
        task = self.loop.create_task(self.upgrade(self.config.tls))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return b""

    async def upgrade(self, context: ssl.SSLContext) -> None:
        """Does the handshake, after the answer has gone out."""
        await asyncio.sleep(max(0.0, self.last_due - self.loop.time()))
        if self.transport is not None:
            upgraded = await self.loop.start_tls(self.transport, self, context, server_side=True)
            self.transport = upgraded
            self.is_encrypted = True
            self.is_upgrading = False
            early, self.rest = self.rest, b""
            self.data_received(early)

    def auth(self, line: bytes) -> bytes:
        """AUTH PLAIN with the initial response, or LOGIN."""
        words = line.split()
        mechanism = words[1].upper() if len(words) > 1 else b""
        if mechanism == b"LOGIN":
            self.auth_step = 1
            return b"334 VXNlcm5hbWU6\r\n"
        if mechanism != b"PLAIN" or len(words) != 3:
            return b"504 5.5.4 no\r\n"
        proof = b64encode(f"\0{self.config.user}\0{self.config.password}".encode())
        return self.logged_in(words[2] == proof)

    def auth_continue(self, line: bytes) -> bytes:
        """The two answers of AUTH LOGIN."""
        expected = self.config.user if self.auth_step == 1 else self.config.password
        is_right = line == b64encode(expected.encode())
        self.auth_step = 2 if self.auth_step == 1 and is_right else 0
        return b"334 UGFzc3dvcmQ6\r\n" if self.auth_step else self.logged_in(is_right)

    def logged_in(self, is_right: bool) -> bytes:
        """The verdict on a log-in."""
        fault = self.fault("auth")
        if fault is not None:
            return fault
        self.is_authenticated = is_right
        self.ledger.stats.logins += is_right
        return b"235 2.7.0 ok\r\n" if is_right else b"535 5.7.8 no\r\n"

    def mail(self, line: bytes) -> bytes:
        """Begins a transaction."""
        if not self.is_authenticated:
            return b"530 5.7.0 log in first\r\n"
        if self.sender is not None:
            return b"503 5.5.1 one at a time\r\n"
        if self.config.faults and (fault := self.fault("mail")) is not None:
            return fault
        self.sender = line
        return b"250 2.1.0 ok\r\n"

    def rcpt(self, line: bytes) -> bytes:
        """Adds a recipient, or does to it what its name says."""
        if self.sender is None:
            return b"503 5.5.1 MAIL first\r\n"
        if self.config.faults and (fault := self.fault("rcpt")) is not None:
            return fault
        address = line[line.find(b"<") + 1 : line.rfind(b">")]
        if address.startswith(_FAULTY) and (match := _BY_RECIPIENT.match(address)):
            answer = self.rcpt_fault(match[1].decode(), (match[2] or b"").decode())
            if answer is not None:
                return answer
        self.recipients.append(address)
        return b"250 2.1.5 ok\r\n"

    def rcpt_fault(self, word: str, number: str) -> bytes | None:
        """Acts on a recipient's wish; ``None`` when it is taken for now."""
        if word in ("bounce", "defer"):
            return self.act(number or ("550" if word == "bounce" else "451"))
        if word.endswith("-at-rcpt"):
            return self.act(word.removesuffix("-at-rcpt"))
        if word == "slow":
            self.dot_delay = int(number or 1000) / 1000
        else:
            self.dot_fault = number if word == "dot" else word
        return None

    def data(self) -> bytes:
        """Asks for the content."""
        if self.config.faults and (fault := self.fault("data")) is not None:
            return fault
        if not self.recipients:
            return b"554 5.5.1 no valid recipients\r\n"
        self.body = [_START]
        return b"354 go ahead\r\n"

    def rset(self, line: bytes) -> bytes:
        """Forgets the transaction."""
        self.reset()
        return b"250 2.0.0 ok\r\n"

    def quit(self, line: bytes) -> bytes:
        """Says good-bye."""
        return self.leave(b"221 2.0.0 bye\r\n")

    def noop(self, line: bytes) -> bytes:
        """Does nothing."""
        return b"250 2.0.0 ok\r\n"

    def reset(self) -> None:
        """Forgets the transaction."""
        self.sender = None
        self.recipients = []
        self.body = None
        self.dot_fault = ""
        self.dot_delay = 0.0

    # content

    def read_body(self, data: bytes, out: list[bytes]) -> bytes:
        """Takes content up to its dot; gives what follows it."""
        body = self.body
        assert body is not None
        if body[-1] is _START and (self.dot_fault == "drop-after-data" or self.config.faults):
            fault = self.leave() if self.dot_fault == "drop-after-data" else self.fault("body")
            if fault is not None:
                out.append(self.leave(fault))
                return b""
        # The end may be spread over what came before and what came now.
        data = body.pop() + data
        end = data.find(_END)
        if end < 0:
            body += [data[:-4], data[-4:]] if len(data) > 65_536 else [data]
            return b""
        body.append(data[: end + 2])
        answer = self.finish(b"".join(body)[2:])
        delay = self.dot_delay or self.config.delay_per_message
        if delay:
            self.say(b"".join(out))
            out.clear()
            self.say(answer, delay)
        else:
            out.append(answer)
        self.reset()
        return data[end + 5 :]

    def finish(self, content: bytes) -> bytes:
        """Takes the message and answers, unless something is to go wrong now."""
        action = self.dot_fault or self._dot_action()
        if action and action not in ("lost", "drop-after-dot", "hang-after-dot"):
            return self.act("drop" if action.startswith("drop") else action)
        if self.ledger.is_journaling:
            self.ledger.write_down(self.recipients, content)
        self.ledger.take(self.recipients, len(content))
        if action:
            return self.act("hang" if action.startswith("hang") else "drop")
        self.taken += 1
        if self.taken == self.config.closes_after:
            return self.leave(b"250 2.0.0 taken\r\n")
        return b"250 2.0.0 taken\r\n"

    def _dot_action(self) -> str:
        fault = self.config.faults.get("dot") if self.config.faults else None
        return fault.spend() if fault is not None else ""


_OTHERS = {
    b"EHLO": Session.ehlo,
    b"HELO": Session.noop,
    b"STAR": Session.starttls,
    b"AUTH": Session.auth,
    b"RSET": Session.rset,
    b"NOOP": Session.noop,
    b"QUIT": Session.quit,
}
