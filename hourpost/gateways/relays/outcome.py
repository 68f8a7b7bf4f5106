"""What the relays are given and what becomes of it: envelopes in, one outcome per recipient out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple
from uuid import UUID

from hourpost.rules.report_wishes import NO_WISHES, ReportWishes
from hourpost.rules.smtp_replies import ReplyClass, classify, is_out_of_order

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who an email is from and for; ``sender`` is empty for the null sender.

    ``smtputf8`` says that the headers hold raw UTF-8 (RFC 6531); addresses that need the extension are noticed here.
    All recipients go into one transaction; for the share of the connections that a destination may hold, the domain
    of the first one counts. ``id`` is what reports about the email are to name it by, where a relay can pass it on
    and ``wishes``, which are the sender's, have no name for it.

    Raises: ValueError, for addresses that could break out of their command.
    """

    sender: str
    recipients: tuple[str, ...]
    smtputf8: bool = False
    id: UUID | None = None
    wishes: ReportWishes = NO_WISHES

    def __post_init__(self) -> None:
        if not self.recipients:
            raise ValueError("an envelope needs a recipient")
        if _CONTROL.search("".join((self.sender, *self.recipients))):
            raise ValueError("an address in the envelope contains a control character")

    @property
    def destination(self) -> str:
        """The domain that this goes to, in lower case."""
        return self.recipients[0].rpartition("@")[2].lower()

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a relay with SMTPUTF8 can take it."""
        return self.smtputf8 or not (self.sender.isascii() and all(map(str.isascii, self.recipients)))


class Stage(StrEnum):
    """How far a try got: the step that was answered, or that was not."""

    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"


class Outcome(NamedTuple):
    """What became of one recipient at one relay.

    ``code`` is ``None`` where nothing was answered. ``is_local`` marks verdicts of our own about a relay that cannot
    take the message (their codes are the ones it would have used). ``started_at`` and ``finished_at`` are readings of
    the pool's monotonic clock, in seconds.
    """

    recipient: str
    relay: str
    stage: Stage
    code: int | None
    enhanced: str | None
    text: str
    started_at: float
    finished_at: float
    tls_version: str | None = None
    cipher: str | None = None
    answer_lost: bool = False
    """The final dot was sent and no usable answer came: the relay may have it or not."""
    is_local: bool = False
    withdrawn: bool = False
    """``before_dot`` said no, so the connection was closed instead of sending the dot."""
    reports: bool = False
    """The relay knows what the sender wants to hear, and will tell (RFC 3461)."""

    @property
    def is_accepted(self) -> bool:
        """Whether the relay has taken the message for this recipient."""
        return self.stage is Stage.DOT and self.code is not None and 200 <= self.code < 300

    @property
    def is_surely_not_taken(self) -> bool:
        """Whether sending it again cannot make it arrive twice."""
        return not self.answer_lost and not self.is_accepted

    @property
    def is_about_us(self) -> bool:
        """Whether every message would have fared so: the relay is gone, is busy, or wants us to log in (530)."""
        return self.code in (None, 421, 530)

    @property
    def is_of_this_relay(self) -> bool:
        """Whether it is refused for good here, of which another relay may think otherwise."""
        return self.is_local or (self.stage is Stage.MAIL and self.code is not None and self.code >= 500)

    @property
    def ended_midway(self) -> bool:
        """Whether it ended without an answer in the middle of a message, which may be what the relay stumbled over."""
        return self.code is None and self.stage in _MIDWAY

    @property
    def may_fail_over(self) -> bool:
        """Whether the fault may be the relay's, and it has not taken the message: another one may be asked at once.

        What is answered to MAIL is about us, the sender or the relay, and another relay may think otherwise.
        """
        if self.code is not None and self.code < 400:
            return False
        if self.is_local:
            return True
        if self.stage not in _BEFORE_CONTENT:
            return self.stage is Stage.DOT and is_out_of_order(self.code, self.enhanced)
        if self.stage is Stage.MAIL or self.code in (None, 421):
            return True
        is_relay_fault = classify(self.code, self.enhanced, self.text, self.stage) is ReplyClass.RELAY_FAULT
        return is_relay_fault or is_out_of_order(self.code, self.enhanced)

    @property
    def seconds(self) -> float:
        """How long the try took."""
        return self.finished_at - self.started_at


_BEFORE_CONTENT = frozenset((Stage.CONNECT, Stage.TLS, Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA))
_MIDWAY = frozenset((Stage.RCPT, Stage.DATA, Stage.BODY))


@dataclass(frozen=True, slots=True)
class Postponed:
    """No relay was given the message: come back in ``seconds``. ``held_by`` is what the delivery waits for."""

    held_by: Literal["relay", "destination"]
    seconds: float
    reason: str
    is_away: bool = False
    """Relays fail and are left alone; else they are busy, or we are about to stop."""
