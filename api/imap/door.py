"""What all sessions of the door share."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from api.imap.limits import Limits
from api.imap.open_folders import OpenFolders
from api.imap.places import Places
from api.listening.guard import Guard
from hourpost.gateways.clock import Clock
from hourpost.gateways.session_leases import SessionLeases
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
    leases: SessionLeases
    limits: Limits = field(default_factory=Limits)
    is_draining: bool = False
    bytes_in_hand: int = 0  # of messages that are on their way in
    guard: Guard = field(init=False)
    folders: OpenFolders = field(init=False)
    places: Places = field(init=False)

    def __post_init__(self) -> None:
        self.guard = Guard(self.limits)
        self.folders = OpenFolders(self.store)
        self.places = Places(self.leases, self.limits.sessions_per_mailbox)

    def claim(self, size_bytes: int) -> bool:
        """Take so much memory for a message; False when there is none."""
        if self.bytes_in_hand + size_bytes > self.limits.bytes_in_hand:
            return False
        self.bytes_in_hand += size_bytes
        return True

    def release(self, size_bytes: int) -> None:
        """Give it back."""
        self.bytes_in_hand -= size_bytes
