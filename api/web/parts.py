"""What the web door needs from below, built once at the entry point and handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import Request

from api.web.searching import Searches
from hourpost.billing.till import Till
from hourpost.credentials.standing import StandingCache
from hourpost.database import Database
from hourpost.flow.postman import Postman
from hourpost.gateways.attempts import Attempts
from hourpost.gateways.clock import Clock
from hourpost.gateways.dns import Dns
from hourpost.gateways.encryption import Cipher
from hourpost.gateways.hour import Hour
from hourpost.mailboxes.login import MailboxLogins
from hourpost.mailboxes.store import MailStore
from hourpost.rules.submission import Order, Receipt
from hourpost.settings import Settings
from hourpost.users.afterwards import Afterwards


class Orders(Protocol):
    """Takes orders: the flow's intake."""

    async def accept(self, order: Order) -> Receipt:
        """Store an order as a whole, or not at all; when this returns, it is committed."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The flow, the nouns' ways to the outside world, and the settings."""

    settings: Settings
    database: Database
    standings: StandingCache
    intake: Orders
    hour: Hour
    clock: Clock
    dns: Dns
    cipher: Cipher
    attempts: Attempts
    postman: Postman
    mail: MailStore
    logins: MailboxLogins
    revision: str
    """The migration that this code expects the database to have."""
    afterwards: Afterwards = field(default_factory=Afterwards)
    """What goes on once an answer has left."""
    searches: Searches = field(default_factory=Searches)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is to end, for answers that would go on."""
    till: Till | None = None
    """Where plans are paid; None without a key of Stripe's: then they cost nothing."""
    ring_billing: Callable[[], None] = lambda: None
    """Tells the workers that there is something to ask Stripe about."""


def parts_of(request: Request) -> Parts:
    """The parts of the application that serves this request."""
    parts: Parts = request.app.state.parts
    return parts
