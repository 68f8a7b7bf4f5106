"""Our own letters leave like everybody's mail: from the account that owns our domain, through the intake."""

from __future__ import annotations

from typing import Protocol

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.database import Database
from hourpost.errors import HourpostError, ServiceUnavailable
from hourpost.gateways.clock import Clock
from hourpost.rules.addresses import Address, parse_address
from hourpost.rules.ids import new_id, to_message_id
from hourpost.rules.letters import Letter
from hourpost.rules.mime import Content, build_message
from hourpost.rules.plans import hourly_limit
from hourpost.rules.submission import Order, Receipt, SendingDomain, Standing, Submission

_OWNER = text(
    "SELECT a.id AS account_id, a.plan, a.own_limit, a.suspended_at, d.id, d.name,"
    " coalesce(d.dkim_seen_at, d.dkim_ed25519_seen_at) AS dkim_seen_at"
    " FROM domains d JOIN accounts a ON a.id = d.account_id WHERE d.name = :name AND d.status = 'verified'"
)
_NO_WAY = "Mail of our own cannot be sent just now. Try again later."

log = structlog.get_logger()


class TakesOrders(Protocol):
    """What a postman hands letters to."""

    async def accept(self, order: Order) -> Receipt:
        """Store an order as a whole, or not at all; when this returns, it is committed."""


class Postman:
    """Sends our letters. ``sender`` is the From of all of them; without one none can be sent."""

    def __init__(self, database: Database, intake: TakesOrders, clock: Clock, sender: str | None) -> None:
        self._database = database
        self._intake = intake
        self._clock = clock
        self._sender = parse_address(sender) if sender else None

    @property
    def can_send(self) -> bool:
        """Whether this installation has said who its own mail is from."""
        return self._sender is not None

    async def require_way(self) -> None:
        """Whether any letter could leave at all. Raises: ServiceUnavailable."""
        await self._way()

    async def post(self, letter: Letter, key: str | None = None) -> None:
        """Hand over a letter; when this returns, it is stored and will leave. Raises: ServiceUnavailable.

        With a ``key`` it leaves once, however often it is handed over within a day.
        """
        sender, standing = await self._way()
        try:
            await self._intake.accept(Order(standing, (self._submission(letter, sender, standing),), key))
        except ServiceUnavailable:
            raise
        except HourpostError as error:
            log.warning("our own mail was refused", error=error.message)
            raise ServiceUnavailable(_NO_WAY, cause=error.message) from error

    async def _way(self) -> tuple[Address, Standing]:
        if self._sender is None:
            raise ServiceUnavailable(_NO_WAY, cause="HOURPOST_SYSTEM_SENDER is not set")
        async with self._database.reading() as connection:
            standing = await find_owner(connection, self._sender.domain)
        if standing is None:
            log.error("our own mail cannot be sent: its domain is not verified", domain=self._sender.domain)
            raise ServiceUnavailable(_NO_WAY, cause="the domain of HOURPOST_SYSTEM_SENDER is not verified")
        return self._sender, standing

    def _submission(self, letter: Letter, sender: Address, standing: Standing) -> Submission:
        email_id = new_id()
        message_id = to_message_id("em", email_id, sender.domain)
        to = parse_address(letter.to)
        content = Content(
            from_=sender,
            to=(to,),
            subject=letter.subject,
            text=letter.text,
            html=letter.html,
            headers=(("Auto-Submitted", "auto-generated"),),
        )
        return Submission(
            email_id=email_id,
            source="api",
            envelope_from=sender.spec,
            recipients=(to.spec,),
            header_from=sender.text,
            from_address=sender.spec.lower(),
            domain_id=standing.domains[sender.domain].id,
            subject=letter.subject,
            message_id=message_id,
            content=build_message(content, message_id=message_id, date=self._clock.now()),
            parts={"to": [to.text]},
        )


async def find_owner(connection: AsyncConnection, domain: str) -> Standing | None:
    """The standing of the account that owns a verified domain."""
    row = (await connection.execute(_OWNER, {"name": domain})).one_or_none()
    if row is None:
        return None
    return Standing(
        account_id=row.account_id,
        credential_id=None,
        kind="operator",
        scope="sending",
        test=False,
        plan=row.plan,
        limit=hourly_limit(row.plan, row.own_limit),
        suspended=row.suspended_at is not None,
        only_domain_id=None,
        domains={row.name: SendingDomain(row.id, row.name, row.dkim_seen_at is not None)},
    )
