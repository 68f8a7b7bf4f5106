"""The notice to a person of what became of their mail: for their eyes, and for programs (RFC 3464, RFC 6522)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hourpost.rules.header_text import make_safe
from hourpost.rules.headers import encode_header
from hourpost.rules.mime import format_date
from hourpost.rules.report_wishes import from_xtext
from hourpost.rules.smtp_replies import explain
from hourpost.rules.transfer_encoding import encode_text

_WORDS_CHARACTERS = 600
_HEADER_BYTES = 64 * 1024


class Action(StrEnum):
    """What became of it (RFC 3464 §2.3.3); relayed is handed on to where nobody will tell more."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


_HEADLINES = {Action.FAILED: "Not delivered", Action.DELAYED: "Delayed"}
_STATUS = {Action.FAILED: "5.0.0", Action.DELAYED: "4.0.0"}
_BROKEN_OFF = "4.4.2"  # bad connection (RFC 3463 §3.5)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of it for one recipient, and what the last server said; ``orcpt`` as the sender wrote it.

    ``is_doubtful``: it may have arrived, and nobody will tell.
    """

    address: str
    code: int | None
    enhanced: str | None
    words: str
    action: Action = Action.FAILED
    orcpt: str = ""
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """The mail that a notice is about, and what became of it: for all failed, for all delayed, or for none of both.

    ``returned`` is its header as it was sent, or with ``is_whole`` all of it. ``envid`` is as the sender wrote it.
    ``until``: so long it is tried, where it is delayed. ``is_forward``: it came in, and was to go on;
    ``is_gone``: no copy of it is left.
    """

    subject: str
    message_id: str
    returned: bytes
    fates: tuple[Fate, ...]
    is_whole: bool = False
    envid: str = ""
    until: datetime | None = None
    is_forward: bool = False
    is_gone: bool = False

    @property
    def action(self) -> Action:
        """What became of it for the first of its recipients, and for all where it did not arrive."""
        return self.fates[0].action

    @property
    def is_doubtful(self) -> bool:
        """Whether it may have arrived wherever it was to go."""
        return all(one.is_doubtful for one in self.fates)


def build_notice(mail: Told, to: str, hostname: str, notice_id: str, at: datetime) -> bytes:
    """The whole message, its Return-Path included: the null sender, so that nobody answers it."""
    boundary = f"hourpost-{notice_id}"
    encoding, words = encode_text(_words(mail))
    parts = [
        _part("text/plain; charset=utf-8", words, encoding),
        _part("message/delivery-status", _status(mail, hostname)),
        _part("message/rfc822", mail.returned, "8bit")
        if mail.is_whole
        else _part("text/rfc822-headers", mail.returned[:_HEADER_BYTES], "8bit"),
    ]
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    fields = [
        b"Return-Path: <>\r\n",
        encode_header("From", f"Mail Delivery <postmaster@{hostname}>"),
        encode_header("To", to),
        encode_header("Subject", f"{_headline(mail)}: {_subject(mail)}"),
        encode_header("Date", format_date(at)),
        encode_header("Message-ID", f"<{notice_id}@{hostname}>"),
        encode_header("In-Reply-To", make_safe(mail.message_id)) if mail.message_id else b"",
        b"Auto-Submitted: auto-replied\r\n",
        b"MIME-Version: 1.0\r\n",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"\r\n\r\n'.encode(),
    ]
    return b"".join(fields) + body + b"--%b--\r\n" % boundary.encode()


def _headline(mail: Told) -> str:
    if mail.is_forward:
        return "Perhaps not forwarded" if mail.is_doubtful else "Not forwarded"
    return _HEADLINES.get(mail.action, "Delivered")


def _subject(mail: Told) -> str:
    return make_safe(mail.subject).strip() or "(no subject)"


def _words(mail: Told) -> str:
    if mail.is_forward:
        what = "may not have arrived at" if mail.is_doubtful else "could not be forwarded to"
        lines, end = [f"An email that came in {what}:", ""], ["It will not be tried again.", _where(mail)]
    elif mail.action is Action.FAILED:
        lines, end = ["Your email could not be delivered to:", ""], ["It will not be tried again."]
    elif mail.action is Action.DELAYED:
        until = f" until {format_date(mail.until)}" if mail.until else ""
        lines, end = ["Your email has not been delivered yet to:", ""], [f"You need do nothing: it is tried{until}."]
    else:
        lines, end = ["Your email has been delivered, as you asked to be told:", ""], []
    for one in mail.fates:
        lines += [f"  {one.address}", *(f"    {line}" for line in _explain(one)), ""]
    return "\n".join([*lines, f"Its subject was: {_subject(mail)}", *end])


def _where(mail: Told) -> str:
    if mail.is_whole:
        return "It is attached: no copy was kept."
    return "No copy was kept, and it is stored no more." if mail.is_gone else "A copy lies in this mailbox."


def _explain(one: Fate) -> list[str]:
    words = make_safe(one.words)[:_WORDS_CHARACTERS]
    if one.action is Action.DELIVERED:
        return ["It lies in the mailbox."]
    if one.action is Action.RELAYED:
        return ["The next server has taken it, and does not tell what becomes of it.", f"It said: {words}"]
    has_answer = one.code is not None or one.enhanced is not None
    return [explain(one.code, one.enhanced), f"The server said: {words}"] if has_answer else [words]


def _status(mail: Told, hostname: str) -> bytes:
    envid = f"Original-Envelope-Id: {from_xtext(mail.envid)}\r\n" if mail.envid else ""
    until = f"Will-Retry-Until: {format_date(mail.until)}\r\n" if mail.until else ""
    groups = [f"{envid}Reporting-MTA: dns; {hostname}\r\n", *(_group(one) + until for one in mail.fates)]
    return "\r\n".join(groups).encode()


def _group(one: Fate) -> str:
    """The fields of one recipient (RFC 3464 §2.3)."""
    kind, _, original = one.orcpt.partition(";")
    words = "".join(char if " " <= char <= "~" else "?" for char in one.words[:_WORDS_CHARACTERS])
    fields = [
        f"Original-Recipient: {kind}; {from_xtext(original)}" if original else "",
        f"Final-Recipient: rfc822; {one.address}",
        f"Action: {one.action.value}",
        f"Status: {one.enhanced or (_BROKEN_OFF if one.is_doubtful else _STATUS.get(one.action, '2.0.0'))}",
        f"Diagnostic-Code: smtp; {one.code or ''} {words}" if words else "",
    ]
    return "".join(f"{field}\r\n" for field in fields if field)


def _part(kind: str, content: bytes, encoding: str = "") -> bytes:
    how = f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
    return f"Content-Type: {kind}\r\n{how}\r\n".encode() + content
