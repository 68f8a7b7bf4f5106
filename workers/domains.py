"""Domains without being asked: they are looked up again beside the schedule, which waits for no name server."""

from __future__ import annotations

import asyncio

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

    def chores(self) -> tuple[Chore, ...]:
        """For the schedule."""
        return (Chore("look domains up", _BEGIN_SECONDS, self.begin),)

    async def begin(self) -> None:
        """Begin a round, unless one is under way."""
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._look_up())

    async def _look_up(self) -> None:
        try:
            await self._checker.check_due()
        except ServiceUnavailable as error:
            log.warning("domains were not looked up", cause=error.cause)
        except Exception:  # the outermost of the task: the next round may do better
            log.exception("domains were not looked up")

    async def _tell(self, domain: Domain, loss: Loss) -> None:
        if not self._postman.can_send:
            return
        link = f"{self._parts.settings.public_url}/app/domains/{domain.public_id}"
        try:
            async with self._parts.database.reading() as connection:
                addresses = await list_addresses(connection, domain.account_id, May.DEVELOP)
            for to in addresses:
                await self._postman.post(tell_loss(domain, loss, to, link))
        except HourpostError as error:
            log.warning("the owner of a domain was not told", domain=domain.name, error=error.message)
