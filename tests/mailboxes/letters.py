"""Messages for tests."""

from __future__ import annotations

from hourpost.mailboxes.parcels import NewMessage
from hourpost.rules.mail_flags import Flag


def letter(number: int = 1, *, text: str = "Hello.", headers: str = "") -> bytes:
    return (
        f"From: Ann <ann@example.net>\r\nTo: info@acme.test\r\nSubject: Letter {number}\r\n"
        f"Message-ID: <letter-{number}@example.net>\r\n{headers}\r\n{text}\r\n"
    ).encode()


def new_message(number: int = 1, flags: Flag = Flag.NONE, *keywords: str, headers: str = "") -> NewMessage:
    return NewMessage(letter(number, headers=headers), flags, keywords)
