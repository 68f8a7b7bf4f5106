"""Letters about webhooks that were disabled, and the end of what deleted ones have left behind."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from hourpost.accounts.queries import list_addresses
from hourpost.database import Database
from hourpost.errors import HourpostError
from hourpost.flow.postman import Postman
from hourpost.gateways.clock import Clock
from hourpost.rules.roles import May
from hourpost.webhooks import erasing
from hourpost.webhooks.disabling import give_back, take_untold
from workers.schedule import Chore

_SECONDS = 60.0
_PAUSE_SECONDS = 0.05  # between two steps, so that a million calls leave the disk to others

log = structlog.get_logger()


class WebhookChores:
    """Writes to those who see to webhooks, and erases what no webhook has any more."""

    def __init__(self, database: Database, clock: Clock, postman: Postman, public_url: str) -> None:
        self._database = database
        self._clock = clock
        self._postman = postman
        self._public_url = public_url

    def chores(self) -> tuple[Chore, ...]:
        """For the schedule."""
        return (Chore("tell of disabled webhooks", _SECONDS, self.tell),)

    async def tell(self) -> None:
        """Write to those who do not know. Raises: ServiceUnavailable."""
        if not self._postman.can_send:
            return
        async with self._database.transaction() as connection:
            several = await take_untold(connection, self._clock.now())
        for untold in several:
            try:
                async with self._database.reading() as connection:
                    addresses = await list_addresses(connection, untold.account_id, May.DEVELOP)
                for to in addresses:
                    await self._postman.post(untold.letter(to, self._public_url), f"{untold.key}-{to}")
            except HourpostError as error:
                log.warning("the owner of a webhook was not told", webhook_id=str(untold.id), error=error.message)
                async with self._database.transaction() as connection:
                    await give_back(connection, untold)

    async def erase(self) -> None:
        """Erase all that is left of deleted webhooks, a little in each transaction. Raises: ServiceUnavailable."""
        for table in erasing.TABLES:
            async with self._database.reading() as connection:
                orphaned = await erasing.find_orphaned(connection, table)
            while orphaned and await self._erase_some(table, orphaned) >= erasing.AT_ONCE:  # noqa: ASYNC110  # for others
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _erase_some(self, table: str, orphaned: list[UUID]) -> int:
        async with self._database.transaction() as connection:
            return await erasing.erase_some(connection, table, orphaned)
