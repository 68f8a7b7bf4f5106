"""What the door promises, before log-in and after it; a capability stands here when all of it is right."""

from __future__ import annotations

from typing import Protocol

_ALWAYS = "IMAP4rev1 IMAP4rev2 SASL-IR ID ENABLE"
_CLEAR = "LITERAL- STARTTLS LOGINDISABLED"
_SECURE = "LITERAL- AUTH=PLAIN AUTH=SCRAM-SHA-256"
_AFTER_LOGIN = (
    "LITERAL+ IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS"
    " CONDSTORE QRESYNC ESEARCH SEARCHRES WITHIN SORT SORT=DISPLAY ESORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES"
    " QUOTA QUOTA=RES-STORAGE STATUS=SIZE UTF8=ACCEPT OBJECTID SAVEDATE PREVIEW BINARY MULTIAPPEND"
)

ENABLED = ("CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4REV2")
"""What ENABLE can switch on (RFC 5161)."""


class Speaker(Protocol):
    """A session, as far as promises depend on it."""

    @property
    def is_secure(self) -> bool:
        """Whether TLS is active."""

    @property
    def is_logged_in(self) -> bool:
        """Whether somebody has entered a mailbox."""

    @property
    def is_deflated(self) -> bool:
        """Whether compression is active."""

    @property
    def message_bytes(self) -> int:
        """The largest message that APPEND takes."""


def write_capabilities(speaker: Speaker) -> str:
    """The words of CAPABILITY."""
    if not speaker.is_logged_in:
        return f"{_ALWAYS} {_SECURE if speaker.is_secure else _CLEAR}"
    compression = "" if speaker.is_deflated else " COMPRESS=DEFLATE"
    return f"{_ALWAYS} {_AFTER_LOGIN} APPENDLIMIT={speaker.message_bytes}{compression}"
