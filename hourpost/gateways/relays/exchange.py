"""One message through one connection: envelope, content, final dot, and what each answer means.

With PIPELINING the envelope and DATA go out in one write (RFC 2920), and the next message's envelope may follow the
final dot in the same write, so that a busy connection needs one round trip per message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from hourpost.gateways.relays.connection import Answer, RelayConnection
from hourpost.gateways.relays.content import PIECE_BYTES, pieces_of
from hourpost.gateways.relays.outcome import Outcome, Stage
from hourpost.gateways.relays.parcel import Parcel, mail_command, rcpt_commands
from hourpost.gateways.relays.replies import Reply
from hourpost.gateways.relays.timeouts import Timeouts

NextEnvelope = Callable[[RelayConnection], bytes]

_DOT = b".\r\n"
_CONFUSED = frozenset((500, 501, 502, 503, 554))


class Fate(NamedTuple):
    """What became of a recipient: the stage, the reply if there was one, else why there was none."""

    stage: Stage
    reply: Reply | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all exchanges of a relay share. ``clock`` is monotonic, in seconds."""

    relay: str
    timeouts: Timeouts
    clock: Callable[[], float]


class Exchange:
    """The sending of one parcel over one connection; made, begun once, run once.

    ``is_boarded`` says that its envelope was written behind another message's final dot.
    """

    __slots__ = (
        "_around",
        "_dots_before",
        "_envelope",
        "_fates",
        "_resets",
        "_was_used",
        "connection",
        "is_boarded",
        "is_given_up",
        "is_withdrawn",
        "parcel",
        "started_at",
    )

    def __init__(
        self, connection: RelayConnection, parcel: Parcel, around: Surroundings, *, is_boarded: bool = False
    ) -> None:
        self.connection = connection
        self.parcel = parcel
        self.started_at = around.clock()
        self.is_boarded = is_boarded
        self.is_given_up = False
        self.is_withdrawn = False
        self._around = around
        self._envelope: Answer | None = None
        self._fates: list[Fate | None] = [None] * len(parcel.envelope.recipients)
        self._resets = connection.needs_reset
        self._was_used = connection.has_sent
        self._dots_before = connection.dots_answered

    def begin(self) -> bytes:
        """Registers the envelope's replies and gives the commands to write; for relays with PIPELINING."""
        connection = self.connection
        recipients = self.parcel.envelope.recipients
        timeouts = self._around.timeouts
        patience = min(timeouts.reused, timeouts.command) if self._was_used else timeouts.command
        self._envelope = connection.expect(len(recipients) + 2 + self._resets, patience)
        connection.has_sent = True
        parcel, capabilities = self.parcel, connection.capabilities
        commands = [mail_command(parcel, capabilities), *rcpt_commands(parcel, capabilities), "DATA\r\n"]
        if self._resets:
            commands.insert(0, "RSET\r\n")
            connection.needs_reset = False
        return "".join(commands).encode()

    async def run(self, next_envelope: NextEnvelope | None = None) -> list[Outcome]:
        """Sees it through to one outcome per recipient.

        ``next_envelope`` gives what may be written right behind the final dot. What ``before_dot`` raises is raised
        on; the connection is closed then, as it is when the caller is cancelled.
        """
        try:
            if self._envelope is not None:
                await self._envelope.future
                replies = self._envelope.replies
            else:
                replies = await self._ask_one_by_one()
            if self._judge_envelope(replies):
                await self._send_content(next_envelope)
        except BaseException:
            self.abandon()
            raise
        return self._outcomes()

    @property
    def is_untouched(self) -> bool:
        """Whether it failed before the relay looked at it, for reasons of the connection's past.

        So it was on a connection that had been used (the relay had closed it meanwhile, or closes after so many
        messages), or behind another message's dot.
        """
        if self.is_given_up:
            return True
        fate = self._fates[0]
        if fate is None or fate.stage is not Stage.MAIL:
            return False
        if fate.reply is None or fate.reply.code == 421:
            return self._was_used
        return self.is_boarded and fate.reply.code in _CONFUSED

    @property
    def was_next(self) -> bool:
        """Whether the message before it was answered."""
        return self.connection.dots_answered > self._dots_before

    @property
    def is_behind(self) -> bool:
        """Whether its envelope still waits for another message's answer."""
        return self._envelope is not None and self.connection.is_queued(self._envelope)

    def abandon(self) -> None:
        """Ends it wherever it is, so that the relay can never take it, and leaves the message before it alone."""
        if self._envelope is not None and self.is_behind:
            self.is_given_up = True
            self.connection.give_up(self._envelope)
        else:
            self.connection.fail("closed by us")

    # the envelope

    async def _ask_one_by_one(self) -> list[Reply]:
        """The envelope for relays without PIPELINING; stops where going on makes no sense."""
        ask, timeouts = self.connection.ask, self._around.timeouts
        capabilities = self.connection.capabilities
        self.connection.has_sent = True
        replies: list[Reply] = []
        if self._resets:
            self.connection.needs_reset = False
            replies += _listed(await ask(b"RSET\r\n", timeouts.command))
        mail = await ask(mail_command(self.parcel, capabilities).encode(), timeouts.command)
        replies += _listed(mail)
        if mail is None or not _is_positive(mail):
            return replies
        taken = 0
        for command in rcpt_commands(self.parcel, capabilities):
            rcpt = await ask(command.encode(), timeouts.command)
            if rcpt is None:
                return replies
            replies.append(rcpt)
            taken += _is_positive(rcpt)
        if taken:
            replies += _listed(await ask(b"DATA\r\n", timeouts.data))
        return replies

    def _judge_envelope(self, replies: list[Reply]) -> bool:
        """Reads the envelope's replies; whether the relay now waits for content that somebody is to get."""
        replies = self._in_step(replies)
        count = len(self._fates)
        mail = replies[0] if replies else None
        if mail is None or not _is_positive(mail):
            self._settle(Stage.MAIL, mail)
        for number, reply in enumerate(replies[1 : count + 1]):
            if not _is_positive(reply) and self._fates[number] is None:
                self._fates[number] = Fate(Stage.RCPT, reply)
        data = replies[count + 1] if len(replies) > count + 1 else None
        if data is None and None in self._fates:
            # Those without a fate were not answered, or were accepted before the session broke.
            farewell = replies[-1] if replies[-1].code == 421 else None
            reached = len(replies) - (farewell is not None)
            self._settle(Stage.RCPT if reached <= count else Stage.DATA, farewell)
        return self._judge_data(data, replies[: count + 1])

    def _in_step(self, replies: list[Reply]) -> list[Reply]:
        """The replies from MAIL on; none where they cannot be those of our commands, which ends the connection."""
        self.connection.needs_reset = True
        if self._resets and replies:
            if not _is_positive(replies[0]):
                self.connection.fail("the relay refused RSET")
                return []
            replies = replies[1:]
        if any(300 <= reply.code < 400 for reply in replies[: len(self._fates) + 1]):
            self.connection.fail("the relay's answers are out of step")
            return []
        return replies

    def _judge_data(self, data: Reply | None, before: list[Reply]) -> bool:
        if data is None:
            return False
        if data.code == 354:
            if None in self._fates:
                return True
            self._end_empty(before)
        elif _is_positive(data) or data.code < 400:
            self.connection.fail(f"the relay answered {data.code} to DATA")
            self._settle(Stage.DATA, None)
        else:
            self._settle(Stage.DATA, data)
        return False

    def _end_empty(self, before: list[Reply]) -> None:
        """The relay waits for content although it refused every recipient: end it with the dot (RFC 2920 §3.1).

        Where it refused the sender and took a recipient, an empty message might arrive, so the connection is closed.
        """
        if any(map(_is_positive, before[1:])):
            self.connection.fail("the relay refused the sender and went on")
        else:
            self.connection.expect(1, self._around.timeouts.dot)
            self.connection.write(_DOT)

    # the content

    async def _send_content(self, next_envelope: NextEnvelope | None) -> None:
        connection, timeouts = self.connection, self._around.timeouts
        pieces = self.parcel.pieces
        if self.parcel.size > PIECE_BYTES:
            await connection.write_body(pieces_of(pieces), timeouts.body)
            pieces = []
        if self.parcel.before_dot is not None and connection.failure is None and not await self.parcel.before_dot():
            self.is_withdrawn = True
            connection.fail("withdrawn before the final dot")
        if connection.failure is not None:
            words = connection.last_words
            self._settle(Stage.BODY, words if words is not None and words.code >= 400 else None)
            return
        answer = connection.expect(1, timeouts.dot)
        connection.needs_reset = False
        following = next_envelope(connection) if next_envelope is not None else b""
        connection.write_pieces([*pieces, _DOT + following])
        await answer.future
        self._judge_dot(answer.replies[0] if answer.replies else None)

    def _judge_dot(self, reply: Reply | None) -> None:
        if reply is not None and not (_is_positive(reply) or reply.code >= 400):
            self.connection.fail(f"the relay answered {reply.code} to the final dot")
            reply = None
        elif reply is not None:
            self.connection.dots_answered += 1
        self._settle(Stage.DOT, reply)

    # the verdict

    def _settle(self, stage: Stage, reply: Reply | None) -> None:
        fate = Fate(stage, reply, "" if reply is not None else self.connection.failure or "")
        self._fates = [fate if known is None else known for known in self._fates]

    def _outcomes(self) -> list[Outcome]:
        finished_at = self._around.clock()
        return [
            self._outcome(recipient, fate, finished_at)
            for recipient, fate in zip(self.parcel.envelope.recipients, self._fates, strict=True)
            if fate is not None
        ]

    def _outcome(self, recipient: str, fate: Fate, finished_at: float) -> Outcome:
        stage, reply, text = fate
        code = enhanced = None
        if reply is not None:
            code = reply.code
            enhanced, text = reply.enhanced_and_text()
        return Outcome(
            recipient,
            self._around.relay,
            stage,
            code,
            enhanced,
            text,
            self.started_at,
            finished_at,
            self.connection.tls_version,
            self.connection.cipher,
            stage is Stage.DOT and code is None,
            False,
            self.is_withdrawn and stage is Stage.BODY,
            self.connection.capabilities.dsn,
        )


def _is_positive(reply: Reply) -> bool:
    return 200 <= reply.code < 300


def _listed(reply: Reply | None) -> list[Reply]:
    return [] if reply is None else [reply]
