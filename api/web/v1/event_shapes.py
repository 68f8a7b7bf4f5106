"""The shapes of what webhooks are told, by the type of event; the tests hold every sample against them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field

from api.web.v1.inbound_shapes import AuthenticationShape, ContentShape, EnvelopeShape
from api.web.v1.shapes import HeaderShape, Shape

_Test = Annotated[bool | None, Field(description="True with a test email, and with a test event.")]


class AboutEmail(Shape):
    """The email and the recipient that an event is about."""

    email_id: str
    message_id: str
    created_at: Annotated[datetime, Field(description="When the email was accepted.")]
    from_: Annotated[str, Field(alias="from")]
    to: Annotated[list[str], Field(description="The one recipient that it is about.")]
    subject: str
    tags: Annotated[dict[str, str], Field(description="By their names; of several with one name the last.")]
    delivery_id: str
    headers: Annotated[
        list[HeaderShape] | None,
        Field(description="All tags and the metadata as `X-Tags` and `X-Metadata`; absent where there are none."),
    ] = None
    metadata: dict[str, Any] | None = None
    test: _Test = None


class AboutSchedule(AboutEmail):
    """An email that was given a moment."""

    scheduled_at: datetime | None = None


class BounceShape(Shape):
    """Why a server took it back, or never took it."""

    model_config = ConfigDict(title="Bounce")

    type: Literal["Permanent"]
    subType: str  # noqa: N815  # Resend's name
    message: str
    diagnosticCode: str | None = None  # noqa: N815  # Resend's name


class AboutBounce(AboutEmail):
    """An email that bounced."""

    bounce: BounceShape


class DelayShape(Shape):
    """Why it is late."""

    model_config = ConfigDict(title="Delay")

    reason: str | None
    next_attempt_at: datetime | None


class AboutDelay(AboutEmail):
    """An email that is tried again later."""

    delay: DelayShape


class AboutComplaint(AboutEmail):
    """An email that its recipient called spam."""

    complaint: Annotated[dict[str, Any], Field(description="What the report said.")]


class SuppressedShape(Shape):
    """Why it was not sent."""

    model_config = ConfigDict(title="Suppressed")

    message: str
    type: str


class AboutSuppression(AboutEmail):
    """An email that was not sent to a suppressed address."""

    suppressed: SuppressedShape


class FailureShape(Shape):
    """Why it was given up."""

    model_config = ConfigDict(title="Failure")

    reason: str


class AboutFailure(AboutEmail):
    """An email that was given up, or has expired."""

    failed: FailureShape


class ReplyShape(Shape):
    """The answer that came by a route."""

    model_config = ConfigDict(title="Reply")

    from_: Annotated[str, Field(alias="from")]
    subject: str
    message_id: str
    inbound_id: str


class AboutReply(AboutEmail):
    """An email that somebody has answered."""

    reply: ReplyShape


class AboutMail(ContentShape):
    """A mail that came by a route."""

    email_id: str
    route_id: str
    created_at: datetime
    envelope: EnvelopeShape
    from_: Annotated[str, Field(alias="from")]
    to: list[str]
    subject: str
    message_id: str
    authentication: AuthenticationShape | None
    test: _Test = None


class AboutWebhook(Shape):
    """A webhook that is called no more."""

    webhook_id: str
    endpoint: str
    failing_since: datetime | None
    disabled_at: datetime
    test: _Test = None


class Told(Shape):
    """What an event's call says in any case."""

    created_at: Annotated[datetime, Field(description="When it happened.")]


class EmailQueued(Told):
    """An email was released: a worker takes it next."""

    type: Literal["email.queued"]
    data: AboutEmail


class EmailHeld(Told):
    """An email waits for room in the plan's hour."""

    type: Literal["email.held"]
    data: AboutEmail


class EmailScheduled(Told):
    """An email waits for the moment its sender chose."""

    type: Literal["email.scheduled"]
    data: AboutSchedule


class EmailSent(Told):
    """The relay took an email."""

    type: Literal["email.sent"]
    data: AboutEmail


class EmailDelivered(Told):
    """An email is in its recipient's mailbox, as far as we were told."""

    type: Literal["email.delivered"]
    data: AboutEmail


class EmailDeliveryDelayed(Told):
    """A try was put off: the status is `deferred`, the email's own event `email.deferred`."""

    type: Literal["email.delivery_delayed"]
    data: AboutDelay


class EmailBounced(Told):
    """An email was refused for good."""

    type: Literal["email.bounced"]
    data: AboutBounce


class EmailComplained(Told):
    """A recipient called an email spam."""

    type: Literal["email.complained"]
    data: AboutComplaint


class EmailSuppressed(Told):
    """An email was not sent, for its recipient is suppressed."""

    type: Literal["email.suppressed"]
    data: AboutSuppression


class EmailFailed(Told):
    """An email was given up, or has expired."""

    type: Literal["email.failed"]
    data: AboutFailure


class EmailCanceled(Told):
    """An email was canceled before it left."""

    type: Literal["email.canceled"]
    data: AboutEmail


class EmailReceived(Told):
    """A mail came by a route."""

    type: Literal["email.received"]
    data: AboutMail


class EmailReplied(Told):
    """Somebody has answered an email."""

    type: Literal["email.replied"]
    data: AboutReply


class WebhookDisabled(Told):
    """A webhook was disabled after days of failures."""

    type: Literal["webhook.disabled"]
    data: AboutWebhook


AnyEvent = (
    EmailQueued
    | EmailHeld
    | EmailScheduled
    | EmailSent
    | EmailDelivered
    | EmailDeliveryDelayed
    | EmailBounced
    | EmailComplained
    | EmailSuppressed
    | EmailFailed
    | EmailCanceled
    | EmailReceived
    | EmailReplied
    | WebhookDisabled
)
EVENTS: tuple[type[Told], ...] = get_args(AnyEvent)


def type_of(event: type[Told]) -> str:
    """The name of the type whose calls have this shape."""
    (name,) = event.model_fields["type"].annotation.__args__  # type: ignore[union-attr]  # a Literal of one
    return str(name)
