"""Messages on their way into folders: what comes in together, where each goes, and what became of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from hourpost.errors import HourpostError, ServiceUnavailable
from hourpost.rules.mail.scanned import Scanned
from hourpost.rules.mail.surrogates import Patch
from hourpost.rules.mail_flags import Flag

_MOST_REFERENCES = 12


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to store, its lines ended by CRLF, byte for byte as it is to be read again.

    ``received_at`` is its INTERNALDATE; None is now. ``keywords`` are names. ``content_id`` is for who wants to find it
    again; None is a new one.
    """

    content: bytes = field(repr=False)
    flags: Flag = Flag.NONE
    keywords: tuple[str, ...] = ()
    received_at: datetime | None = None
    content_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One folder a message goes to; ``flags`` and ``keywords`` come on top of the message's own.

    ``name`` is the name under which it was found, for who remembers it: it must have it still. None: whatever it is.
    ``domain`` is that of the address it came for, which must be the mailbox's account's still. None: it came for none.
    """

    mailbox_id: UUID
    folder_id: UUID
    flags: Flag = Flag.NONE
    keywords: tuple[str, ...] = ()
    name: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a message is now (RFC 4315's APPENDUID)."""

    folder_id: UUID
    uidvalidity: int
    uid: int
    modseq: int
    content_id: UUID


@dataclass(frozen=True, slots=True)
class Letter:
    """A message read and ready to be stored once, whatever number of folders it goes to.

    ``is_stored``: its chunks are in PostgreSQL already, under ``content_id``. ``patches`` make its headers ASCII.
    """

    content_id: UUID
    content: bytes = field(repr=False)
    scanned: Scanned = field(repr=False)
    received_at: datetime
    is_stored: bool = False
    patches: tuple[Patch, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing is noted beside it: its last line has an end, and no header of it holds UTF-8."""
        return not self.patches and self.content.endswith(b"\r\n")

    @property
    def references(self) -> list[int]:
        """Hashes of its own Message-ID and of those it answers, the nearest first."""
        read = self.scanned
        names = [read.message_id, read.in_reply_to, *reversed(read.references)]
        return [_hash(name) for name in dict.fromkeys(names) if name][:_MOST_REFERENCES]


@dataclass(frozen=True, slots=True)
class Entry:
    """One letter for one folder, keywords as numbers.

    ``folder_name`` is what it must be called still, ``domain`` what its mailbox's account must have still, if anything.
    """

    letter: Letter
    mailbox_id: UUID
    folder_id: UUID
    flags: int
    keywords: tuple[int, ...]
    folder_name: str | None = None
    domain: str | None = None


Outcome = Appended | HourpostError
"""What became of one entry: NotFound for a folder or mailbox that is gone, MailboxFull, ServiceUnavailable where the
domain is another account's now."""


def address_moved() -> ServiceUnavailable:
    """Why mail is not stored for whom its address was a moment ago; who comes again finds the new owner."""
    return ServiceUnavailable("That address has just changed hands.", retry_after_seconds=60)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)
