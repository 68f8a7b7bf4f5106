"""Domains without being asked: they are looked up again beside the schedule, which waits for no name server."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog

from hourpost.accounts.queries import list_addresses
from hourpost.assembly import Parts
from hourpost.domains.checking import Checker, Loss
from hourpost.domains.letters import tell_loss
from hourpost.domains.mail_servers import mail_servers
from hourpost.domains.queries import Domain
from hourpost.domains.verification import Verifier
from hourpost.errors import HourpostError, ServiceUnavailable
from hourpost.flow.postman import Postman
from hourpost.gateways.dns import ResolverDns
from hourpost.rules.roles import May
from workers.schedule import Chore

_BEGIN_SECONDS = 60.0
_REMEMBERED = timedelta(days=1)

log = structlog.get_logger()


class DomainChores:
    """One round at a time, in a task of its own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        settings = parts.settings
        self._postman = Postman(parts.database, parts.intake, parts.clock, settings.own_sender)
        dns = ResolverDns(settings.dns_servers)
        verifier = Verifier(
            parts.database, dns, parts.clock, trusts_reserved=settings.embedded, servers=mail_servers(settings)
        )
        self._checker = Checker(verifier, self._tell)
        self._round: asyncio.Task[None] | None = None
        self._untold: list[tuple[Domain, Loss, datetime]] = []

    def chores(self) -> tuple[Chore, ...]:
        """For the schedule."""
        return (Chore("look domains up", _BEGIN_SECONDS, self.begin),)

    async def begin(self) -> None:
        """Begin a round, unless one is under way."""
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._look_up())

    async def _look_up(self) -> None:
        try:
            await self._tell_again()
            await self._checker.check_due()
        except ServiceUnavailable as error:
            log.warning("domains were not looked up", cause=error.cause)
        except Exception:  # the outermost of the task: the next round may do better
            log.exception("domains were not looked up")

    async def _tell_again(self) -> None:
        """A loss is written down before it is told, so nobody else comes back to it."""
        untold, self._untold = self._untold, []
        for domain, loss, since in untold:
            if self._parts.clock.now() - since < _REMEMBERED:
                await self._try(domain, loss, since)

    async def _tell(self, domain: Domain, loss: Loss) -> None:
        if self._postman.can_send:
            await self._try(domain, loss, self._parts.clock.now())

    async def _try(self, domain: Domain, loss: Loss, since: datetime) -> None:
        try:
            await self._write(domain, loss, since)
        except HourpostError as error:
            log.warning("the owner of a domain was not told", domain=domain.name, error=error.message)
            self._untold.append((domain, loss, since))

    async def _write(self, domain: Domain, loss: Loss, since: datetime) -> None:
        link = f"{self._parts.settings.public_url}/app/domains/{domain.public_id}"
        async with self._parts.database.reading() as connection:
            addresses = await list_addresses(connection, domain.account_id, May.DEVELOP)
        for to in addresses:  # once to each, however often a try stumbles between them
            key = f"{domain.public_id}-{loss}-{since:%Y%m%d}-{to}"
            await self._postman.post(tell_loss(domain, loss, to, link), key)
