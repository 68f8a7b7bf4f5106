"""The shapes of answers, for the document: what is written there is held against real answers by the tests."""

from __future__ import annotations

from datetime import datetime
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
    errors: Annotated[
        list[FaultShape] | None, Field(description="All faults at once; of more than 100 alike, how many.")
    ] = None
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


class TagShape(Shape):
    """A label of an email."""

    model_config = ConfigDict(title="StoredTag")

    name: str
    value: str


class HeaderShape(Shape):
    """A header of a message, decoded."""

    model_config = ConfigDict(title="Header")

    name: str
    value: str


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
    errors: Annotated[
        list[FaultShape] | None,
        Field(description="Its faults; once 1,000 are named in an answer, of each further email how many it has."),
    ] = None


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
    tags: list[TagShape]
    created_at: datetime
    scheduled_at: datetime | None


class FileShape(Shape):
    """A file that a message carries."""

    model_config = ConfigDict(title="File")

    id: Annotated[str, Field(examples=["2"])]
    filename: str
    content_type: str
    content_id: str | None
    content_disposition: Literal["inline", "attachment"]
    size: Annotated[int, Field(description="Bytes, once decoded.")]


class EmailFileShape(FileShape):
    """A file that an email carries."""

    model_config = ConfigDict(title="EmailFile")

    size_bytes: Annotated[int, Field(description="The same as `size`.")]


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
    text: Annotated[
        str | None,
        Field(description="As it is written into the message, where a line break ends every line; null without one."),
    ] = None
    headers: list[HeaderShape] | None = None
    attachments: list[EmailFileShape] | None = None


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


class AttachmentShape(FileShape):
    """A file that is attached to an email, and where it is fetched."""

    model_config = ConfigDict(title="StoredAttachment")

    object: Annotated[Literal["attachment"] | None, Field(description="Not in a list.")] = None
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


class EventShape(Created):
    """Something that happened to a delivery."""

    model_config = ConfigDict(title="Event")

    type: Annotated[
        str,
        Field(
            description="`email.` and what happened. Two have other names elsewhere: `email.deferred` is the status"
            " `deferred`, and to webhooks, as `last_event` and for Resend's clients, `email.delivery_delayed`.",
            examples=["email.sent"],
        ),
    ]
    delivery_id: str
    address: str | None
    created_at: datetime
    detail: Annotated[dict[str, Any] | None, Field(description="The other server's answer, and what else there is.")]


class EventsListed(Listed):
    """What happened to an email, oldest first."""

    data: list[EventShape]  # type: ignore[assignment]  # narrower on purpose


class AttemptShape(Shape):
    """One try at a delivery."""

    model_config = ConfigDict(title="Attempt")

    object: Literal["attempt"]
    delivery_id: str
    number: int
    outcome: str
    relay: str | None
    stage: Annotated[str | None, Field(description="How far it got: `connect` to `dot`.")]
    code: int | None
    enhanced_code: str | None
    reply: str | None
    tls: str | None
    started_at: datetime
    seconds: float


class AttemptsListed(Listed):
    """The tries at an email's deliveries."""

    data: list[AttemptShape]  # type: ignore[assignment]  # narrower on purpose
