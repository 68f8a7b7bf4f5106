"""The shapes of answers about webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from api.web.v1.event_shapes import AnyEvent
from api.web.v1.shapes import Created, Listed, Shape


class WebhookShape(Created):
    """An address that is called."""

    model_config = ConfigDict(title="Webhook")

    endpoint: str
    events: list[str]
    status: Literal["enabled", "disabled"]
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: Annotated[datetime | None, Field(description="The first failure after a success, or a day of none.")]
    created_at: datetime
    signing_secret: str | None = None


class WebhooksListed(Listed):
    """One page of webhooks."""

    data: list[WebhookShape]  # type: ignore[assignment]  # narrower on purpose


class WebhookIssued(WebhookShape):
    """A webhook with its new secret."""

    model_config = ConfigDict(title="WebhookIssued")

    signing_secret: Annotated[str, Field(examples=["whsec_…"])]


class WebhookReplayed(Created):
    """A webhook that is called again."""

    replayed: Annotated[int, Field(description="For how many events.")]


class CallShape(Shape):
    """One event of a webhook, in a list."""

    model_config = ConfigDict(title="WebhookEventSummary")

    id: str
    type: str
    created_at: datetime
    status: Literal["pending", "attempting", "success", "failed"]


class CallsListed(Listed):
    """One page of the events of a webhook."""

    data: list[CallShape]  # type: ignore[assignment]  # narrower on purpose


class WebhookEventShape(CallShape):
    """One event of a webhook."""

    model_config = ConfigDict(title="WebhookEvent")

    object: Literal["webhook_event"]
    next_attempt_at: datetime | None
    payload: Annotated[
        Annotated[AnyEvent, Field(discriminator="type")] | None,
        Field(description="What the webhook is told; null once the email is no longer kept."),
    ]


class CallAttemptShape(Shape):
    """One try at calling a webhook."""

    model_config = ConfigDict(title="WebhookAttempt")

    id: str
    http_status_code: Annotated[int | None, Field(description="Null where nothing was answered.")]
    response: Annotated[str, Field(description="The first 4 KB of the answer, or why there was none.")]
    sent_at: datetime
    seconds: float


class CallAttemptsListed(Listed):
    """One page of the tries at an event."""

    data: list[CallAttemptShape]  # type: ignore[assignment]  # narrower on purpose
