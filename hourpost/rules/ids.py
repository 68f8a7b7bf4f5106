"""Typed public ids that sort by time: a prefix and the 128 bits of a UUIDv7 (RFC 9562 §5.7) in base32hex."""

from __future__ import annotations

import base64
import os
import struct
import time
from datetime import UTC, datetime
from uuid import UUID, SafeUUID

TEXT_LENGTH = 26

_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]
_state = [0, 0]
# Drawn many at a time: each call of the system lets go of the interpreter, and another thread may keep it for long
_WORDS = struct.Struct("512Q")
_random: list[int] = []
_new, _set = object.__new__, object.__setattr__
os.register_at_fork(after_in_child=_random.clear)


def random_bits() -> int:
    """64 random bits."""
    while True:
        try:
            return _random.pop()
        except IndexError:
            _random.extend(_WORDS.unpack(os.urandom(_WORDS.size)))


def new_id(unix_ms: int | None = None) -> UUID:
    """A UUIDv7 that is greater than every earlier one of this process."""
    now = unix_ms if unix_ms is not None else time.time_ns() // 1_000_000
    last, counter = _state
    if now <= last:
        now, counter = last, counter + 1
    else:
        counter = random_bits() >> 33
    _state[0], _state[1] = now, counter
    # 48 bits time, version, 12 + 20 bits of a counter that rises within the millisecond, 42 random bits
    high, low = (counter >> 20) & 0xFFF, counter & 0xFFFFF
    value = (now << 80) | (7 << 76) | (high << 64) | (2 << 62) | (low << 42) | (random_bits() >> 22)
    made = _new(UUID)  # its own constructor takes as long as all the rest
    _set(made, "int", value)
    _set(made, "is_safe", SafeUUID.unknown)
    return made


def moment_of(value: UUID) -> datetime:
    """When a UUIDv7 was made."""
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC)


def first_id_at(moment: datetime) -> UUID:
    """The least UUIDv7 of a moment: ids and moments of acceptance sort alike."""
    unix_ms = max(0, int(moment.timestamp() * 1000))
    return UUID(int=min(unix_ms, (1 << 48) - 1) << 80)


def to_text(prefix: str, value: UUID) -> str:
    """``em_`` and the like in front of 26 characters that sort as the bits do."""
    bits = value.int << 2  # 130, as base32 pads it; Python's own encoder takes five times as long
    pairs = [_PAIRS[(bits >> shift) & 1023] for shift in range(120, -1, -10)]
    return f"{prefix}_{''.join(pairs)}"


def from_text(prefix: str, text: str) -> UUID | None:
    """The id that ``to_text`` wrote, or None for anything else."""
    head, _, body = text.partition("_")
    if head != prefix or len(body) != TEXT_LENGTH or not body.isascii():
        return None
    try:
        value = UUID(bytes=base64.b32hexdecode(body.upper() + "======"))
    except ValueError:
        return None
    return value if to_text(prefix, value) == text else None


def to_message_id(prefix: str, value: UUID, domain: str) -> str:
    """The Message-ID of what we write or complete: at its sender's domain, whoever carries it."""
    return f"<{to_text(prefix, value)}@{domain}>"


def delivery_to_text(email_id: UUID, position: int) -> str:
    """``dl_``: the id of the email and two hex digits for the place among its recipients."""
    return f"{to_text('dl', email_id)}{position:02x}"


def delivery_from_text(text: str) -> tuple[UUID, int] | None:
    """Email id and position of a delivery's public id, or None."""
    email_id = from_text("dl", text[:-2])
    if email_id is None:
        return None
    try:
        position = int(text[-2:], 16)
    except ValueError:
        return None
    return (email_id, position) if delivery_to_text(email_id, position) == text else None
