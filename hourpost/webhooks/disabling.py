"""The end of a webhook that takes nothing: its account is told by the others it has, and its owner by a letter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.rules.ids import to_text
from hourpost.rules.letters import Letter
from hourpost.webhooks.calls import Disabled
from hourpost.webhooks.queries import PREFIX
from hourpost.webhooks.telling import announce

_TAKE = text(
    """
WITH taken AS (
  UPDATE webhooks SET told_at = :now WHERE id IN (
    SELECT id FROM webhooks WHERE disabled_reason IS NOT NULL AND told_at IS NULL ORDER BY id LIMIT :most
    FOR UPDATE SKIP LOCKED)
  RETURNING id, account_id, endpoint, failing_since
)
SELECT id, account_id, endpoint, failing_since FROM taken
"""
)
_GIVE_BACK = text("UPDATE webhooks SET told_at = NULL WHERE id = :id")
_LETTERS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Untold:
    """A webhook that was disabled, of which those who see to webhooks do not know."""

    id: UUID
    account_id: UUID
    endpoint: str
    failing_since: datetime

    @property
    def key(self) -> str:
        """What tells the letter about this to somebody from that about another time."""
        return f"hourpost-webhook-{self.id}-{self.failing_since:%Y%m%d%H%M%S}"

    def letter(self, to: str, public_url: str) -> Letter:
        """What is written to one of them."""
        since = self.failing_since.strftime("%d %B, %H:%M UTC")
        return Letter(
            to,
            "A webhook of yours was disabled",
            (
                f"Since {since} nothing that we told {self.endpoint} was taken, so we have stopped calling it.",
                "What it was owed is kept for 30 days: enable it again, and replay what you need.",
            ),
            f"{public_url}/app/webhooks/{to_text(PREFIX, self.id)}",
            "See what it answered",
        )


async def take_untold(connection: AsyncConnection, now: datetime) -> list[Untold]:
    """The webhooks whose owners are to be written to now; nobody else gets them."""
    return [Untold(**row._mapping) for row in await connection.execute(_TAKE, {"now": now, "most": _LETTERS_AT_ONCE})]


async def give_back(connection: AsyncConnection, untold: Untold) -> None:
    """The letter could not be sent: it is to be tried again."""
    await connection.execute(_GIVE_BACK, {"id": untold.id})


async def tell_disabled(connection: AsyncConnection, webhook: Disabled, now: datetime) -> None:
    """Announce ``webhook.disabled``; besides, the webhook itself says why it is disabled."""
    data = {
        "webhook_id": to_text(PREFIX, webhook.id),
        "endpoint": webhook.endpoint,
        "failing_since": webhook.failing_since,
        "disabled_at": now,
    }
    await announce(connection, webhook.account_id, "webhook_disabled", data, now)
