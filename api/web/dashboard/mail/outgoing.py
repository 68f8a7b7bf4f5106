"""What leaves the mailbox: the hour on every page, what still waits and why, and taking it back.

The hour's numbers are the account's; of letters, only the mailbox's own are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from api.web.dashboard.meter import Meter, read_meter
from api.web.parts import Parts
from hourpost.accounts.queries import get_account
from hourpost.emails.of_mailbox import MOST_LETTERS, WaitingLetter, list_waiting
from hourpost.mailboxes.queries import Mailbox

SHOWN = 20
"""Letters that a page names; of the others it has the number."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The hour of the mailbox's account, and the mailbox's letters that wait, the newest first."""

    domain: str
    meter: Meter
    suspended: bool
    letters: tuple[WaitingLetter, ...] = ()

    @property
    def shown(self) -> tuple[WaitingLetter, ...]:
        """Those that a page names."""
        return self.letters[:SHOWN]

    @property
    def held(self) -> int:
        """Recipients of the mailbox's own letters that wait for room in the hour."""
        return sum(one.held for one in self.letters)

    @property
    def is_cut(self) -> bool:
        """Whether more of them wait than were looked at."""
        return len(self.letters) >= MOST_LETTERS

    @property
    def held_until(self) -> datetime | None:
        """About when the last of its own leaves."""
        return self.meter.leaves_at(max((one.place or 0 for one in self.letters), default=0) or None)

    def leaves_at(self, email_id: UUID) -> datetime | None:
        """About when the last held recipient of a letter leaves; None where that cannot be said."""
        return self.meter.leaves_at(next((one.place for one in self.letters if one.email_id == email_id), None))


async def read_outgoing(parts: Parts, mailbox: Mailbox) -> Outgoing:
    """The hour and what waits of the mailbox, as it is now."""
    async with parts.database.reading() as connection:
        account = await get_account(connection, mailbox.account_id)
        letters = await list_waiting(connection, account.id, mailbox.id)
    meter = await read_meter(parts, account)
    domain = mailbox.address.rpartition("@")[2]
    return Outgoing(domain, meter, account.suspended_at is not None, tuple(letters))
