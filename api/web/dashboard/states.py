"""The states of deliveries as people read them: words, the tone of a badge, and a sentence."""

from __future__ import annotations

from typing import NamedTuple

from hourpost.rules.delivery_state import State
from hourpost.rules.submission import Placed


class Shown(NamedTuple):
    """How a state is shown."""

    words: str
    tone: str
    meaning: str


STATES = {
    State.SCHEDULED: Shown("Scheduled", "info", "It waits for the moment that you chose."),
    State.HELD: Shown("Held", "warn", "Your hour is full: it leaves by itself when there is room."),
    State.QUEUED: Shown("Queued", "info", "It has its place in the hour; a worker takes it next."),
    State.SENDING: Shown("Sending", "info", "It is being handed to the relay now."),
    State.DEFERRED: Shown("Deferred", "warn", "It was not taken yet; we try again by ourselves."),
    State.SENT: Shown("Sent", "good", "The relay took it."),
    State.DELIVERED: Shown("Delivered", "good", "It is in the recipient's mailbox."),
    State.BOUNCED: Shown("Bounced", "bad", "It was refused for good."),
    State.SUPPRESSED: Shown("Suppressed", "bad", "The address is on your suppression list, so nothing was sent."),
    State.EXPIRED: Shown("Expired", "bad", "Its time was over before anybody took it."),
    State.CANCELED: Shown("Canceled", "idle", "It was canceled: nothing more of it is sent."),
    State.FAILED: Shown("Failed", "bad", "It cannot be sent as it is."),
    State.UNKNOWN: Shown("Unknown", "warn", "The relay's last answer was lost: it may have arrived."),
}
_ENDED = "Your plan has ended: it is kept, and leaves by itself once there is a plan again."
_WAITS = "waits until your hour has room"


def meaning_of(state: str, limit: int) -> str:
    """What a state means to an account that may send ``limit`` an hour; 0: its plan has ended."""
    return _ENDED if state == State.HELD and not limit else STATES[State(state)].meaning


def became_of(placed: Placed) -> tuple[str, str]:
    """What became at once of an email that was sent, as words behind its name, and the tone in which to say so."""
    states = [state for _, state in placed.recipients]
    suppressed, held = states.count(State.SUPPRESSED), states.count(State.HELD)
    if suppressed == len(states):
        whose = "its recipient is" if suppressed == 1 else "all its recipients are"
        return f"goes to nobody: {whose} on your suppression list", "warn"
    words = _WAITS if held + suppressed == len(states) else "is on its way"
    if suppressed:
        who = "one of its recipients, who is" if suppressed == 1 else f"{suppressed:,} of its recipients, who are"
        words = f"{words}, but not to {who} on your suppression list"
    if held and held + suppressed < len(states):
        words = f"{words}; some of it {_WAITS}"
    return words, "warn" if suppressed else "good"
