"""What became of sent mail, as badges: in the words of the panel beside the letter, which keywords are too few for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from api.web.dashboard.mail.readers import Reader
from api.web.dashboard.states import STATES
from hourpost.emails.of_mailbox import list_states
from hourpost.mailboxes.folders import Folder
from hourpost.mailboxes.listing import Summary
from hourpost.rules.delivery_state import State
from hourpost.rules.sent_outcome import BOUNCED, CANCELED, DEFERRED, DELIVERED, states_behind

HELD, SCHEDULED = "held", "scheduled"
_OF_STATE = "is {}"  # no keyword has a blank in it
OUTCOMES = {
    DELIVERED: ("Sent", "good"),
    BOUNCED: ("Not delivered", "bad"),
    DEFERRED: ("Deferred", "warn"),
    CANCELED: ("Canceled", "idle"),
    HELD: ("Waits", "warn"),
    SCHEDULED: ("Scheduled", "info"),
} | {_OF_STATE.format(state): (shown.words, shown.tone) for state, shown in STATES.items()}
"""Words and tone: of the keywords, where nothing else is known any more; of what waits; and of the states behind them.

Programs see ``$Delivered`` on what the relay took, and ``$Bounced`` on whatever is lost.
"""

Row = tuple[Folder, Summary, list[str]]
"""A message in a list: where it lies, what is shown of it, and the words for its flags."""


async def tell_states(reader: Reader, rows: Sequence[Row]) -> None:
    """In place of keywords that may mean several things, the states of each message."""
    asked = [(folder.id, one.uid) for folder, one, words in rows if DELIVERED in words or BOUNCED in words]
    if not asked:
        return
    async with reader.parts.database.reading() as connection:
        states = await list_states(connection, reader.mailbox.account_id, reader.mailbox.id, asked)
    for folder, one, words in rows:
        words[:] = told(words, states.get((folder.id, one.uid), ()))


def told(words: Sequence[str], states: Collection[State]) -> list[str]:
    """The words, with the states themselves for keywords where any of them is one of those."""
    found = []
    for word in words:
        behind = states_behind(word, states)
        found += [_OF_STATE.format(state) for state in behind] or [word]
    return found
