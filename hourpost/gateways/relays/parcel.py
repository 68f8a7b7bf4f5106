"""A message as it is handed to a relay, and whether that relay can take it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from dataclasses import replace

from hourpost.gateways.relays.capabilities import Capabilities
from hourpost.gateways.relays.content import dot_stuff
from hourpost.gateways.relays.outcome import Envelope, Outcome, Stage
from hourpost.rules.ids import to_text

EMAIL = "em"
_NO_XTEXT = re.compile(r"[^!-*,-<>-~]")  # RFC 3461 §4

BeforeDot = Callable[[], Awaitable[bool]]


class Parcel:
    """A message ready to be sent: envelope, dot-stuffed content, and the caller's word before the final dot.

    ``size`` is in bytes, before stuffing (RFC 1870 §3). Raises: ContentNotCanonical.
    """

    __slots__ = ("before_dot", "destination", "envelope", "is_ascii", "needs_smtputf8", "pieces", "size")

    def __init__(self, envelope: Envelope, content: bytes | Sequence[bytes], before_dot: BeforeDot | None) -> None:
        self.envelope = envelope
        self.needs_smtputf8 = envelope.needs_smtputf8
        self.destination = envelope.destination
        chunks: Sequence[bytes] = (content,) if isinstance(content, bytes) else content
        self.before_dot = before_dot
        self.size = sum(map(len, chunks))
        self.is_ascii = all(map(bytes.isascii, chunks))
        self.pieces = dot_stuff(chunks)

    def for_recipients(self, recipients: Sequence[str]) -> Parcel:
        """The same message for some of its recipients."""
        if len(recipients) == len(self.envelope.recipients):
            return self
        parcel = copy(self)
        parcel.envelope = replace(self.envelope, recipients=tuple(recipients))
        parcel.needs_smtputf8 = parcel.envelope.needs_smtputf8
        return parcel


def find_obstacle(parcel: Parcel, capabilities: Capabilities) -> tuple[int, str, str] | None:
    """Why this relay cannot take the parcel as it is, as code, enhanced code and text; ``None`` when it can."""
    limit = capabilities.size_bytes
    if limit is not None and parcel.size > limit:
        return 552, "5.3.4", f"the message has {parcel.size} bytes, the relay takes {limit}"
    if parcel.needs_smtputf8 and not capabilities.smtputf8:
        return 550, "5.6.7", "the message needs SMTPUTF8, which the relay does not offer"
    if not (parcel.is_ascii or capabilities.eight_bit_mime):
        return 554, "5.6.3", "the message has 8-bit content, which the relay does not take"
    return None


def refuse(parcel: Parcel, relay: str, obstacle: tuple[int, str, str], now: float) -> list[Outcome]:
    """The outcomes of a parcel that this relay cannot take."""
    code, enhanced, text = obstacle
    return [
        Outcome(recipient, relay, Stage.MAIL, code, enhanced, text, now, now, is_local=True)
        for recipient in parcel.envelope.recipients
    ]


def mail_command(parcel: Parcel, capabilities: Capabilities) -> str:
    """MAIL with the parameters that the relay understands (RFC 1870, 3461, 6152, 6531)."""
    size = f" SIZE={parcel.size}" if capabilities.size else ""
    body = "" if parcel.is_ascii else " BODY=8BITMIME"
    utf8 = " SMTPUTF8" if parcel.needs_smtputf8 else ""
    reports = _mail_wishes(parcel.envelope) if capabilities.dsn else ""
    return f"MAIL FROM:<{parcel.envelope.sender}>{size}{body}{utf8}{reports}\r\n"


def _mail_wishes(envelope: Envelope) -> str:
    """RET and ENVID: the sender's, which has to arrive as it was written (RFC 3461 §5.2.1), else ours."""
    wishes = envelope.wishes
    envid = wishes.envid or (to_text(EMAIL, envelope.id) if envelope.id is not None else "")
    ret = f" RET={wishes.ret}" if wishes.ret else ""
    return f"{ret} ENVID={envid}" if envid else ret


def rcpt_commands(parcel: Parcel, capabilities: Capabilities) -> list[str]:
    """RCPT for each recipient, with what is to be reported, and of which address wherever it goes (RFC 3461 §4.2)."""
    envelope = parcel.envelope
    if not capabilities.dsn:
        return [f"RCPT TO:<{one}>\r\n" for one in envelope.recipients]
    return [f"RCPT TO:<{one}>{_rcpt_wishes(envelope, one)}\r\n" for one in envelope.recipients]


def _rcpt_wishes(envelope: Envelope, recipient: str) -> str:
    """NOTIFY as the sender has it, and ORCPT: the sender's, else ours, each where it is in ASCII."""
    notify, orcpt = envelope.wishes.notify.get(recipient), envelope.wishes.orcpt.get(recipient, "")
    if not (orcpt and orcpt.isascii()) and envelope.id is not None:
        orcpt = f"rfc822;{_NO_XTEXT.sub(_xtext, recipient)}" if recipient.isascii() else ""
    said = f" NOTIFY={notify}" if notify else ""
    return f"{said} ORCPT={orcpt}" if orcpt.isascii() and orcpt else said


def _xtext(match: re.Match[str]) -> str:
    return f"+{ord(match[0]):02X}"
