"""The notice to a person that mail of theirs did not arrive: for their eyes, and for programs (RFC 3464, RFC 6522)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hourpost.rules.header_text import make_safe
from hourpost.rules.headers import encode_header
from hourpost.rules.mime import format_date
from hourpost.rules.smtp_replies import explain
from hourpost.rules.transfer_encoding import encode_text

_WORDS_CHARACTERS = 600
_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient who does not get it, and what the last server said."""

    address: str
    code: int | None
    enhanced: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The mail that did not arrive: its subject, its Message-ID, its header as it was sent, and for whom."""

    subject: str
    message_id: str
    header: bytes
    failures: tuple[Failure, ...]


def build_notice(mail: Undelivered, to: str, hostname: str, notice_id: str, at: datetime) -> bytes:
    """The whole message, its Return-Path included: the null sender, so that nobody answers it."""
    boundary = f"hourpost-{notice_id}"
    encoding, words = encode_text(_words(mail))
    parts = [
        _part("text/plain; charset=utf-8", words, encoding),
        _part("message/delivery-status", _status(mail, hostname)),
        _part("text/rfc822-headers", mail.header[:_HEADER_BYTES], "8bit"),
    ]
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    fields = [
        b"Return-Path: <>\r\n",
        encode_header("From", f"Mail Delivery <postmaster@{hostname}>"),
        encode_header("To", to),
        encode_header("Subject", f"Not delivered: {_subject(mail)}"),
        encode_header("Date", format_date(at)),
        encode_header("Message-ID", f"<{notice_id}@{hostname}>"),
        encode_header("In-Reply-To", make_safe(mail.message_id)) if mail.message_id else b"",
        b"Auto-Submitted: auto-replied\r\n",
        b"MIME-Version: 1.0\r\n",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"\r\n\r\n'.encode(),
    ]
    return b"".join(fields) + body + b"--%b--\r\n" % boundary.encode()


def _subject(mail: Undelivered) -> str:
    return make_safe(mail.subject).strip() or "(no subject)"


def _words(mail: Undelivered) -> str:
    lines = ["Your email could not be delivered to:", ""]
    for one in mail.failures:
        words = make_safe(one.words)[:_WORDS_CHARACTERS]
        has_answer = one.code is not None or one.enhanced is not None
        said = [explain(one.code, one.enhanced), f"The server said: {words}"] if has_answer else [words]
        lines += [f"  {one.address}", *(f"    {line}" for line in said), ""]
    lines += [f"Its subject was: {_subject(mail)}", "It will not be tried again."]
    return "\n".join(lines)


def _status(mail: Undelivered, hostname: str) -> bytes:
    groups = [f"Reporting-MTA: dns; {hostname}\r\n"]
    for one in mail.failures:
        words = "".join(char if " " <= char <= "~" else "?" for char in one.words[:_WORDS_CHARACTERS])
        said = f"Diagnostic-Code: smtp; {one.code or ''} {words}\r\n" if words else ""
        groups.append(
            f"Final-Recipient: rfc822; {one.address}\r\nAction: failed\r\nStatus: {one.enhanced or '5.0.0'}\r\n{said}"
        )
    return "\r\n".join(groups).encode()


def _part(kind: str, content: bytes, encoding: str = "") -> bytes:
    how = f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
    return f"Content-Type: {kind}\r\n{how}\r\n".encode() + content
