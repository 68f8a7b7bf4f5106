"""What all sessions of the door share."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from api.imap.limits import Limits
from api.imap.open_folders import OpenFolders
from api.listening.guard import Guard
from hourpost.gateways.clock import Clock
from hourpost.mailboxes.login import MailboxLogins
from hourpost.mailboxes.store import MailStore


@dataclass(slots=True)
class Door:
    """Its name, its certificate, its limits, and what is counted over all sessions. ``seconds`` never goes back."""

    hostname: str
    tls: ssl.SSLContext | None
    seconds: Callable[[], float]
    store: MailStore
    logins: MailboxLogins
    clock: Clock
    limits: Limits = field(default_factory=Limits)
    is_draining: bool = False
    bytes_in_hand: int = 0  # of messages that are on their way in
    guard: Guard = field(init=False)
    folders: OpenFolders = field(init=False)
    sessions: Counter[UUID] = field(default_factory=Counter)  # in each mailbox

    def __post_init__(self) -> None:
        self.guard = Guard(self.limits)
        self.folders = OpenFolders(self.store)

    def claim(self, size_bytes: int) -> bool:
        """Take so much memory for a message; False when there is none."""
        if self.bytes_in_hand + size_bytes > self.limits.bytes_in_hand:
            return False
        self.bytes_in_hand += size_bytes
        return True

    def release(self, size_bytes: int) -> None:
        """Give it back."""
        self.bytes_in_hand -= size_bytes

    def admit(self, mailbox_id: UUID) -> bool:
        """Count a session into a mailbox; False when there are too many, and then it is not counted."""
        if self.sessions[mailbox_id] >= self.limits.sessions_per_mailbox:
            return False
        self.sessions[mailbox_id] += 1
        return True

    def dismiss(self, mailbox_id: UUID) -> None:
        """Count a session out."""
        self.sessions[mailbox_id] -= 1
        if self.sessions[mailbox_id] <= 0:
            del self.sessions[mailbox_id]
