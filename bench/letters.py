"""Made-up mail of a known size, built from templates by filling in a number: what the drivers send.

Every number gives another subject, recipient and idempotency key, and bodies of one and the same length.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

_WORDS = "Your parcel left our warehouse this morning and will be with you on Thursday. Thank you for your order! "
_TEXT_SHARE = 0.4
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: the address, and what the account logs in with."""

    address: str
    token: str
    username: str = ""
    password: str = ""


def email_template(sender: Sender, size_bytes: int) -> bytes:
    """One email as JSON of about ``size_bytes`` of text and HTML, with two places for the number."""
    text_bytes = int(size_bytes * _TEXT_SHARE)
    paragraphs = _prose(size_bytes - text_bytes - 34, "</p>\n<p>")
    return json.dumps(
        {
            "from": f"Acme <{sender.address}>",
            "to": [f"customer-%0{_DIGITS}d@example.net"],
            "subject": f"Your order %0{_DIGITS}d is on its way",
            "text": _prose(text_bytes, "\n"),
            "html": f"<html><body><p>{paragraphs}</p></body></html>",
        }
    ).encode()


class Singles:
    """Requests to ``POST /v1/emails``, each with an idempotency key of its own."""

    emails_each = 1

    def __init__(self, senders: list[Sender], size_bytes: int, run: str) -> None:
        self._templates = [_request("/v1/emails", one, email_template(one, size_bytes), run) for one in senders]

    def request(self, number: int) -> bytes:
        """The request of this number; senders take turns."""
        template = self._templates[number % len(self._templates)]
        return template % (number, number, number)


class Batches:
    """Requests to ``POST /v1/emails/batch``."""

    def __init__(self, sender: Sender, size_bytes: int, run: str, emails_each: int = 1000) -> None:
        self.emails_each = emails_each
        self._email = email_template(sender, size_bytes)
        filled = self._email % (0, 0)
        length = emails_each * (len(filled) + 1) + 1
        self._head = _head("/v1/emails/batch", sender, length, run)

    def request(self, number: int) -> bytes:
        """The request of this number, with the emails ``number * emails_each`` and so on."""
        first = number * self.emails_each
        emails = [self._email % (each, each) for each in range(first, first + self.emails_each)]
        return b"%s[%s]" % (self._head % number, b",".join(emails))


class Messages:
    """SMTP messages: the envelope's commands, and the content with its dot."""

    def __init__(self, sender: Sender, size_bytes: int, run: str) -> None:
        number = f"%0{_DIGITS}d"
        self._envelope = f"MAIL FROM:<{sender.address}>\r\nRCPT TO:<customer-{number}@example.net>\r\nDATA\r\n".encode()
        head = (
            f"From: Acme <{sender.address}>\r\nTo: customer-{number}@example.net\r\n"
            f"Subject: Your order {number} is on its way\r\nMessage-ID: <{run}.{number}@acme.test>\r\n"
            "Date: Tue, 03 Nov 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        )
        body = _prose(size_bytes - len(head), "\r\n")
        self._content = f"{head}{body}\r\n.\r\n".encode()

    def envelope(self, number: int) -> bytes:
        """MAIL, RCPT and DATA."""
        return self._envelope % number

    def content(self, number: int) -> bytes:
        """Header, body and the final dot."""
        return self._content % (number, number, number)


def _prose(size_bytes: int, line_end: str) -> str:
    line = _WORDS.strip() + line_end
    return (line * (size_bytes // len(line) + 1))[: max(1, size_bytes)].rstrip("\r\n<")


def _request(path: str, sender: Sender, body: bytes, run: str) -> bytes:
    return _head(path, sender, len(body % (0, 0)), run) + body


def _head(path: str, sender: Sender, length: int, run: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {sender.token}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {run}-%0{_DIGITS}d\r\nContent-Length: {length}\r\n\r\n"
    ).encode()
