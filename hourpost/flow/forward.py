"""Forward: mail for a mailbox that goes on to other addresses, as an email of its account.

It is stored as held deliveries in the transaction of the message itself, and released as the hour has room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import structlog

from hourpost.database import Database, HotStatement
from hourpost.errors import ServiceUnavailable
from hourpost.flow.store import Bundle, Row, Stored, store
from hourpost.gateways.clock import Clock
from hourpost.gateways.hour import Hour
from hourpost.mailboxes.queries import Recipient
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import new_id
from hourpost.rules.incoming import IncomingHeader
from hourpost.rules.submission import Order, Standing, Submission

SOURCE = "forward"
HELD_CHANNEL = "held"
"""PostgreSQL's NOTIFY of an account of which something is held that may have room: the schedule listens."""

_RING = HotStatement(
    "SELECT pg_notify(CAST(:channel AS text), account) FROM unnest(CAST(:accounts AS text[])) AS w(account)"
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Forward:
    """A message and the mailbox that sends it on. ``sender`` is empty where nobody is to hear of a failure."""

    mailbox: Recipient
    sender: str
    header: IncomingHeader
    content: bytes = field(repr=False)
    id: UUID = field(default_factory=new_id)


class Forwarding:
    """Stores forwards, and tells the buckets and the schedule afterwards what waits."""

    def __init__(self, hour: Hour, clock: Clock) -> None:
        self._hour = hour
        self._clock = clock

    async def store(self, connection: asyncpg.Connection, generations: dict[UUID, int], forward: Forward) -> None:
        """Store a forward in the caller's transaction; notes the generation of its account's bucket."""
        account, now = forward.mailbox.account_id, self._clock.now()
        order = _order(forward)
        held = tuple(Row(address, State.HELD, now, None) for address in forward.mailbox.forward_to)
        bundle = Bundle(order, None, (Stored(order, _submission(forward), None, held),))
        (fate,) = await store(connection, [bundle], [account], now)
        if fate.generation is not None:
            generations[account] = fate.generation

    async def tell(self, database: Database, forwards: Iterable[Forward], generations: dict[UUID, int]) -> None:
        """Tell the buckets what waits, then the schedule, after the commit; what fails here it finds by itself."""
        waiting = Counter[UUID]()
        for forward in forwards:
            waiting[forward.mailbox.account_id] += len(forward.mailbox.forward_to)
        try:
            for account, count in waiting.items():
                if account in generations:
                    await self._hour.adjust_waiting(account, count, generations[account])
            async with database.hot_statements() as connection:
                await _RING.run(connection, {"channel": HELD_CHANNEL, "accounts": list(map(str, waiting))})
        except (
            ServiceUnavailable,
            asyncpg.PostgresError,
        ) as error:  # the message is stored: nobody is to send it again
            log.warning("what is held was not told", cause=repr(error))


def _order(forward: Forward) -> Order:
    standing = Standing(
        account_id=forward.mailbox.account_id,
        credential_id=None,
        kind=SOURCE,
        scope="sending",
        test=False,
        plan=None,
        limit=0,
        suspended=False,
        only_domain_id=None,
    )
    return Order(standing, ())


def _submission(forward: Forward) -> Submission:
    """The message as it came, with the mailbox as the sender that hears of failures."""
    address, header = forward.mailbox.address, forward.header
    return Submission(
        email_id=forward.id,
        source=SOURCE,
        envelope_from=address if forward.sender else "",
        recipients=forward.mailbox.forward_to,
        header_from=header.from_text,
        from_address=address,
        domain_id=None,
        subject=header.subject,
        message_id=header.message_id,
        content=f"Delivered-To: {address}\r\n".encode() + _without_return_path(forward.content),
        parts={"to": list(forward.mailbox.forward_to), "cc": [], "bcc": [], "reply_to": []},
    )


def _without_return_path(content: bytes) -> bytes:
    """Only the last server writes a Return-Path (RFC 5321 §4.4); ours is the first line."""
    return content[content.find(b"\r\n") + 2 :] if content.startswith(b"Return-Path:") else content
