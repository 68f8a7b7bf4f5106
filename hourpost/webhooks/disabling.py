"""The end of a webhook that takes nothing: its account is told by the others it has."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.rules.ids import to_text
from hourpost.webhooks.calls import Disabled
from hourpost.webhooks.queries import PREFIX
from hourpost.webhooks.telling import announce


async def tell_disabled(connection: AsyncConnection, webhook: Disabled, now: datetime) -> None:
    """Announce ``webhook.disabled``; besides, the webhook itself says why it is disabled."""
    data = {
        "webhook_id": to_text(PREFIX, webhook.id),
        "endpoint": webhook.endpoint,
        "failing_since": webhook.failing_since,
        "disabled_at": now,
    }
    await announce(connection, webhook.account_id, "webhook_disabled", data, now)
