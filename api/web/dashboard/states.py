"""The states of deliveries as people read them: words, the tone of a badge, and a sentence."""

from __future__ import annotations

from typing import NamedTuple

from hourpost.rules.delivery_state import State


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
