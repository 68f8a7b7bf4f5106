"""How much one client may ask of the door, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

from hourpost.rules.submission import MAX_MESSAGE_BYTES, MAX_RECIPIENTS

MAX_COMMAND_BYTES = 2048  # MAIL with SIZE, ENVID and AUTH; RFC 5321 §4.5.3.1.4 and what RFC 3461 §4 adds
MAX_LINE_BYTES = 12_288  # an answer to AUTH (RFC 4954 §4)


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps of the door and of a session; a session that meets one hears why."""

    connections: int = 5000
    connections_per_network: int = 1500
    strangers_per_network: int = 200  # for port 25, and for submission as many: that have not logged in
    message_bytes: int = MAX_MESSAGE_BYTES
    bytes_in_hand: int = 256 * 1024 * 1024  # of all messages that have not been stored yet
    recipients: int = MAX_RECIPIENTS
    errors: int = 20
    failed_logins: int = 3
    seconds_before_login: float = 60.0  # on port 25 before EHLO
    idle_seconds: float = 300.0  # RFC 5321 §4.5.3.2.7
    session_seconds: float = 3600.0
    handshake_seconds: float = 15.0
    goodbye_seconds: float = 2.0  # for a client's own end of TLS after ours
    slow_after_seconds: float = 30.0  # until then a message may come as slowly as it likes
    least_bytes_per_second: float = 256.0
    drain_seconds: float = 20.0
