"""The shapes of answers about mail that came by routes, and of what webhooks are told of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from api.web.v1.shapes import Created, FileShape, HeaderShape, Listed, Shape


class EnvelopeShape(Shape):
    """Whom SMTP was told of."""

    model_config = ConfigDict(title="Envelope")

    from_: Annotated[str, Field(alias="from")]
    to: str


class SpfShape(Shape):
    """Whether the other server may send for the domain (RFC 7208)."""

    model_config = ConfigDict(title="Spf")

    result: str
    domain: str


class DkimShape(Shape):
    """One signature (RFC 6376)."""

    model_config = ConfigDict(title="Dkim")

    result: str
    domain: str
    selector: str


class DmarcShape(Shape):
    """What became of the policy of the domain of From (RFC 7489)."""

    model_config = ConfigDict(title="Dmarc")

    result: str
    domain: str
    policy: str | None


class AuthenticationShape(Shape):
    """What is known of where a mail came from."""

    model_config = ConfigDict(title="Authentication")

    spf: SpfShape
    dkim: list[DkimShape]
    dmarc: DmarcShape


class ContentShape(Shape):
    """What a received message holds."""

    text: Annotated[str | None, Field(description="At most 256 Ki characters.")]
    html: Annotated[str | None, Field(description="As its sender wrote it.")]
    headers: list[HeaderShape]
    attachments: list[FileShape]
    is_complete: Annotated[bool, Field(description="False where something was cut.")]


class InboundSummary(Created):
    """An incoming email in a list."""

    route_id: str
    envelope: EnvelopeShape
    from_: Annotated[str, Field(alias="from")]
    to: list[str]
    subject: str
    message_id: str
    authentication: AuthenticationShape | None
    size: int
    created_at: datetime


class InboundShape(InboundSummary, ContentShape):
    """An incoming email."""

    model_config = ConfigDict(title="Inbound")


class InboundListed(Listed):
    """One page of incoming emails."""

    data: list[InboundSummary]  # type: ignore[assignment]  # narrower on purpose


class RouteShape(Created):
    """Whose mail goes where."""

    model_config = ConfigDict(title="InboundRoute")

    pattern: str
    url: Annotated[str, Field(description="What the webhook of the route has as `endpoint`.")]
    webhook_id: str
    created_at: datetime


class RouteIssued(RouteShape):
    """A new route with the secret that signs its calls."""

    model_config = ConfigDict(title="InboundRouteIssued")

    signing_secret: Annotated[str, Field(examples=["whsec_…"])]


class RoutesListed(Listed):
    """One page of routes."""

    data: list[RouteShape]  # type: ignore[assignment]  # narrower on purpose


class ReceivedSummary(Shape):
    """A received email in a list, as Resend has it."""

    id: str
    to: list[str]
    from_: Annotated[str, Field(alias="from")]
    created_at: datetime
    subject: str
    bcc: list[str]
    cc: list[str]
    reply_to: list[str]
    received_for: list[str]
    message_id: str
    attachments: list[FileShape]


class LinkShape(Shape):
    """Where something is fetched without a key."""

    model_config = ConfigDict(title="DownloadLink")

    download_url: str
    expires_at: datetime


class ReceivedShape(ReceivedSummary):
    """A received email, as Resend has it."""

    model_config = ConfigDict(title="ReceivedEmail")

    object: Literal["email"]
    text: Annotated[str | None, Field(description="At most 256 Ki characters.")]
    html: Annotated[str | None, Field(description="As its sender wrote it.")]
    headers: Annotated[dict[str, str], Field(description="By their names in small letters.")]
    is_complete: Annotated[bool, Field(description="False where something was cut.")]
    raw: LinkShape


class ReceivedListed(Listed):
    """One page of received emails."""

    data: list[ReceivedSummary]  # type: ignore[assignment]  # narrower on purpose
