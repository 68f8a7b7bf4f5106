"""What the sink is told, what it counts, and the journal it keeps."""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import time
from dataclasses import asdict, dataclass, field

STAGES = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot")
_MESSAGE_ID = re.compile(rb"^message-id:\s*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


@dataclass(slots=True)
class Fault:
    """What happens at a stage: a reply or its code, ``drop``, ``hang``, ``garbage``, ``lost`` (taken, then drop)."""

    action: str
    times: int = -1

    def spend(self) -> str:
        """Uses it once; empty when it is used up."""
        if self.times == 0:
            return ""
        self.times -= self.times > 0
        return self.action


@dataclass(slots=True)
class Stats:
    """What has come in since the start or the last reset; ``messages`` and ``recipients`` are those taken."""

    connections: int = 0
    logins: int = 0
    messages: int = 0
    recipients: int = 0
    refused: int = 0
    bytes: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(slots=True)
class Config:
    """How the sink behaves; ``delay_*`` in seconds, ``closes_after`` messages it ends a session."""

    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    pipelining: bool = True
    size: int = 50_000_000
    extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
    delay_per_round: float = 0.0
    delay_per_message: float = 0.0
    closes_after: int = 0
    faults: dict[str, Fault] = field(default_factory=dict)


class Ledger:
    """What the sink has taken: the numbers, and the journal where there is one."""

    def __init__(self, config: Config, journal: str | None = None) -> None:
        self.config = config
        self.stats = Stats()
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if journal else -1

    def close(self) -> None:
        """Ends the journal."""
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1

    @property
    def is_journaling(self) -> bool:
        """Whether messages are written down."""
        return self._journal >= 0

    def take(self, recipients: list[bytes], size: int) -> None:
        """Counts a message as taken."""
        stats = self.stats
        stats.last_at = time.time()
        stats.first_at = stats.first_at or stats.last_at
        stats.messages += 1
        stats.recipients += len(recipients)
        stats.bytes += size

    def write_down(self, recipients: list[bytes], stuffed: bytes) -> None:
        """Journals a message: per recipient a line of Message-ID, recipient and SHA-256 of the body."""
        content = stuffed.replace(b"\r\n..", b"\r\n.") if b"\r\n.." in stuffed else stuffed
        head, _, body = content.partition(b"\r\n\r\n")
        match = _MESSAGE_ID.search(head)
        message_id = match[1].strip() if match else b"-"
        digest = hashlib.sha256(body).hexdigest().encode()
        lines = [b"%s\t%s\t%s\n" % (message_id, recipient, digest) for recipient in recipients]
        os.write(self._journal, b"".join(lines))

    def report(self) -> dict[str, float]:
        """The numbers, with the rate over the time in which messages came."""
        self.stats.cpu_seconds = time.process_time()
        seconds = self.stats.last_at - self.stats.first_at
        rate = round(self.stats.messages / seconds, 1) if seconds > 0 else 0.0
        return {**asdict(self.stats), "rate": rate}
