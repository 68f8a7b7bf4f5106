"""The shapes of answers, for the document: what is written there is held against real answers by the tests."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hourpost.rules.delivery_state import State


class Shape(BaseModel):
    """An answer; later versions may add fields."""

    model_config = ConfigDict(extra="allow")


class FaultShape(Shape):
    """One thing that is wrong."""

    model_config = ConfigDict(title="Fault")

    pointer: Annotated[str, Field(description="RFC 6901, into the body or the query.", examples=["/to/0"])]
    detail: str


class Problem(Shape):
    """What every failure looks like; also `application/problem+json` (RFC 9457) where `Accept` asks for it."""

    statusCode: Annotated[int, Field(examples=[422])]  # noqa: N815  # Resend's name
    name: Annotated[str, Field(examples=["validation_error"], description="Stable: decide by this.")]
    message: str
    type: str
    title: str
    status: int
    detail: str
    request_id: Annotated[str, Field(examples=["req_06b1n4i2s7vt9a8q3c5e0g2k4o"])]
    errors: Annotated[list[FaultShape] | None, Field(description="All faults at once.")] = None
    limit: Annotated[
        Literal["plan", "requests", "backlog"] | None,
        Field(description="With 429: the plan's hour, requests a second, or the waiting room."),
    ] = None


class RecipientShape(Shape):
    """One recipient right after acceptance."""

    model_config = ConfigDict(title="Recipient")

    id: Annotated[str, Field(examples=["dl_06b1n4i2s7vt9a8q3c5e0g2k4o00"])]
    address: str
    status: State


class StoredRecipientShape(RecipientShape):
    """One recipient, and what it waits for."""

    model_config = ConfigDict(title="StoredRecipient")

    attempts: int
    waits_for: Annotated[
        Literal["plan", "schedule", "relay", "destination", "account"] | None,
        Field(description="Of one that waits; null with `deferred`: for its next attempt alone."),
    ]
    next_at: Annotated[
        datetime | None, Field(description="When it leaves or is tried again; of one that is held, as things stand.")
    ]
    changed_at: datetime


class Pacing(Shape):
    """What holds the email, and until when."""

    held_by: Literal["plan", "schedule", "destination", "relay"] | None
    estimated_send_at: datetime | None


class PlanShape(Shape):
    """The hour after this request; null where nothing counts (test mode) or it cannot be counted now."""

    model_config = ConfigDict(title="PlanUse")

    name: str | None
    limit: int
    window_seconds: int
    used: int | None
    remaining: int | None
    held: int | None


class WarningShape(Shape):
    """What was taken and is not likely to go as it was meant."""

    model_config = ConfigDict(title="Warning")

    pointer: Annotated[str, Field(examples=["/expires_at"])]
    detail: str


class Accepted(Shape):
    """An email that was accepted."""

    id: Annotated[str, Field(examples=["em_06b1n4i2s7vt9a8q3c5e0g2k4o"])]
    object: Literal["email"]
    status: State
    message_id: str
    recipients: list[RecipientShape]
    pacing: Pacing
    plan: PlanShape
    warnings: Annotated[
        list[WarningShape] | None,
        Field(description="Only where the estimate is later than `expires_at`."),
    ] = None


class BatchPlaced(Shape):
    """One email of a batch that was stored."""

    id: str
    status: State
    pacing: Pacing


class BatchError(Shape):
    """Why one email of a partial batch was not stored."""

    index: int
    message: str
    name: str
    errors: list[FaultShape] | None = None


class BatchAccepted(Shape):
    """What was stored, in order; `errors` only for partial batches."""

    data: list[BatchPlaced]
    errors: list[BatchError] | None = None
    warnings: Annotated[
        list[WarningShape] | None, Field(description="As for one email, each with the `id` of its email.")
    ] = None


class EmailSummary(Shape):
    """An email in a list."""

    id: str
    object: Literal["email"]
    message_id: str
    from_: Annotated[str, Field(alias="from")]
    to: list[str]
    cc: list[str]
    bcc: list[str]
    reply_to: list[str]
    subject: str
    status: State
    last_event: str
    tags: list[dict[str, str]]
    created_at: datetime
    scheduled_at: datetime | None


class EmailShape(EmailSummary):
    """An email."""

    model_config = ConfigDict(title="StoredEmail")

    expires_at: datetime | None
    metadata: dict[str, Any] | None
    source: Literal["api", "smtp", "mailbox", "forward", "auto_reply"]
    test: bool
    size_bytes: int
    recipients: list[StoredRecipientShape]
    html: str | None = None
    text: str | None = None


class RescheduledShape(EmailShape):
    """An email that has a new moment."""

    model_config = ConfigDict(title="RescheduledEmail")

    warnings: Annotated[
        list[WarningShape] | None,
        Field(description="Only where the hour is too full for all of it to leave before `expires_at`."),
    ] = None


class Created(Shape):
    """What was made, changed or found."""

    id: str
    object: str


class Deleted(Created):
    """What was deleted."""

    deleted: bool


class Listed(Shape):
    """One page of a list, newest first."""

    object: Literal["list"]
    has_more: bool
    data: list[dict[str, Any]]


class AttachmentShape(Shape):
    """A file that is attached to an email."""

    model_config = ConfigDict(title="StoredAttachment")

    id: Annotated[str, Field(examples=["2"])]
    filename: str
    content_type: str
    content_id: str | None
    content_disposition: Literal["inline", "attachment"]
    size: Annotated[int, Field(description="Bytes, once decoded.")]
    download_url: Annotated[str, Field(description="Asks for no key; for this file alone.")]
    expires_at: Annotated[datetime, Field(description="When `download_url` ends.")]


class AttachmentsListed(Listed):
    """One page of an email's attachments, in the order of the message."""

    data: list[AttachmentShape]  # type: ignore[assignment]  # narrower on purpose


class EmailsListed(Listed):
    """One page of emails."""

    data: list[EmailSummary]  # type: ignore[assignment]  # narrower on purpose
    searched_to: Annotated[
        str | None, Field(description="Where a search ended before its page was full; go on from here.")
    ] = None


class KeyIssued(Shape):
    """A new API key; its token is shown this once."""

    id: str
    token: Annotated[str, Field(examples=["hp_live_…"])]


class LoginIssued(Shape):
    """A new SMTP credential; its password is shown this once."""

    id: str
    username: str
    password: str


class DomainShape(Created):
    """A domain and the records that its owner publishes."""

    model_config = ConfigDict(title="Domain")

    name: str
    status: Literal["not_started", "pending", "verified", "failed"]
    created_at: datetime
    signs_ed25519: Annotated[bool, Field(description="Whether a second signature, by Ed25519, is asked for.")]
    records: list[dict[str, Any]]
    capabilities: dict[str, str]


class UsageShape(Shape):
    """The hour of the account."""

    model_config = ConfigDict(title="Usage")

    plan: str | None
    limit: int
    window_seconds: int
    used: int
    remaining: int
    resets_at: Annotated[
        datetime | None,
        Field(description="When all tokens are back, if nothing leaves until then; `RateLimit-Reset` is the next one."),
    ]
    held: int
    next_release_at: Annotated[datetime | None, Field(description="When the next held delivery leaves.")]
    held_until: Annotated[datetime | None, Field(description="When the last of those held now leaves.")]


class DayShape(Shape):
    """The deliveries of one day, in UTC."""

    model_config = ConfigDict(title="Day")

    day: Annotated[date, Field(examples=["2026-11-26"])]
    accepted: Annotated[int, Field(description="Recipients of emails that were stored.")]
    sent: int
    delivered: int
    deferred: Annotated[int, Field(description="Tries that were put off.")]
    bounced: int
    complained: int
    suppressed: int
    expired: int
    failed: int
    canceled: int
    unknown: int


class StatisticsShape(Shape):
    """What became of what was sent, day by day, the oldest first."""

    model_config = ConfigDict(title="Statistics")

    object: Literal["statistics"]
    since: datetime
    until: datetime
    counted_until: Annotated[datetime, Field(description="Up to when everything is in these numbers.")]
    data: list[DayShape]


class Through(Shape):
    """When so many emails would be through on a plan."""

    name: str | None
    limit: int
    through_at: datetime
    seconds: Annotated[int, Field(description="From now until `through_at`.")]


class ForecastShape(Shape):
    """When so many emails would be through if they came now."""

    model_config = ConfigDict(title="Forecast")

    object: Literal["forecast"]
    emails: int
    held: Annotated[int, Field(description="How many wait already and leave before them.")]
    plan: Annotated[Through | None, Field(description="Null without a plan.")]
    higher_plans: Annotated[list[Through], Field(description="With the fields of a plan, such as `price_cents`.")]


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


class WebhookIssued(WebhookShape):
    """A webhook with its new secret."""

    signing_secret: Annotated[str, Field(examples=["whsec_…"])]


class WebhookEventShape(Created):
    """One event of a webhook."""

    model_config = ConfigDict(title="WebhookEvent")

    type: str
    status: Literal["pending", "attempting", "success", "failed"]
    created_at: datetime
    next_attempt_at: datetime | None
    payload: Annotated[dict[str, Any] | None, Field(description="Null once the email is no longer kept.")]
