"""How much a client may ask of the door."""

from __future__ import annotations

from dataclasses import dataclass

from hourpost.rules.submission import MAX_MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """Caps on one command: its lines together, one literal of it, and all its literals that are no message."""

    line_bytes: int
    literal_bytes: int
    literals_bytes: int


BEFORE_LOGIN = FrameLimits(line_bytes=8 * 1024, literal_bytes=4 * 1024, literals_bytes=8 * 1024)
AFTER_LOGIN = FrameLimits(line_bytes=64 * 1024, literal_bytes=64 * 1024, literals_bytes=256 * 1024)

MAX_LITERALS = 2000  # of a command
MAX_DEPTH = 32  # of parentheses in a command
MAX_DEPTH_BEFORE_LOGIN = 8
MAX_LISTED = 4096  # keys of a search, flags of a list, items of a FETCH
MAX_RANGES = 8192  # of a sequence set


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps of the door and of a session; a session that meets one hears why."""

    connections: int = 10_000
    connections_per_network: int = 6_000
    strangers_per_network: int = 200  # that have not logged in
    sessions_per_mailbox: int = 20
    message_bytes: int = MAX_MESSAGE_BYTES
    messages_per_append: int = 1000
    bytes_in_hand: int = 256 * 1024 * 1024  # of all messages that have not been stored yet
    commands_before_login: int = 20
    seconds_before_login: float = 60.0
    failed_logins: int = 3
    errors: int = 50  # BAD in a row
    idle_seconds: float = 1800.0  # RFC 9051 §5.4
    arriving_seconds: float = 120.0  # of silence in the middle of an APPEND, which keeps memory from others
    still_here_seconds: float = 120.0
    renew_seconds: float = 30.0  # between two renewals of the leases of sessions, which last three times as long
    compare_seconds: float = 60.0  # how often an open folder is compared with its row, whatever was or was not heard
    handshake_seconds: float = 15.0
    goodbye_seconds: float = 2.0
    write_seconds: float = 120.0  # in which a client takes nothing of what was written
    drain_seconds: float = 20.0
