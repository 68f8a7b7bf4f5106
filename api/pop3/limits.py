"""How much one client may ask of the door, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

MAX_LINE_BYTES = 8 * 1024  # before log-in, because of a SASL response; RFC 2449 §4 asks for 255


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps of the door and of a session; a session that meets one hears why."""

    connections: int = 10_000
    connections_per_network: int = 1500
    strangers_per_network: int = 200  # that have not logged in
    commands_before_login: int = 20
    seconds_before_login: float = 60.0
    failed_logins: int = 3
    errors: int = 20  # in a row
    idle_seconds: float = 600.0  # RFC 1939 §3: not less than ten minutes, and it deletes nothing
    handshake_seconds: float = 15.0
    goodbye_seconds: float = 2.0
    write_seconds: float = 120.0  # in which a client takes nothing of what was written
    renew_seconds: float = 20.0  # between two renewals of a lock that lasts three times as long
    drain_seconds: float = 20.0
