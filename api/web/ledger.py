"""What an API key does to its account, written into the account's audit log beside what people do there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from api.web.parts import parts_of
from hourpost.accounts import audit
from hourpost.gateways.clock import Clock
from hourpost.rules.submission import Standing


@dataclass(frozen=True, slots=True)
class Ledger:
    """Writes for one request, from ``address``."""

    address: str
    clock: Clock

    async def note(self, connection: AsyncConnection, caller: Standing, action: str, **detail: str) -> None:
        """Add an entry in the route's transaction, so that it is there exactly when the change is."""
        actor = await audit.find_key(connection, caller.account_id, caller.credential_id, self.address)
        await audit.note(connection, actor, action, self.clock.now(), **detail)


def _ledger_of(request: Request) -> Ledger:
    return Ledger(request.client.host if request.client else "", parts_of(request).clock)


TheLedger = Annotated[Ledger, Depends(_ledger_of)]
"""The audit log, for routes that change the account."""
