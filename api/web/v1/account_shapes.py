"""The shapes of answers about an account: its credentials, domains, suppressions, plan and hour."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from api.web.v1.shapes import Created, Deleted, Listed, Shape


class CredentialShape(Created):
    """What API keys and SMTP credentials have in common."""

    name: str
    hint: Annotated[str, Field(description="How its secret begins.")]
    scope: Literal["full", "sending", "reading"]
    test: bool
    files_sent: bool
    domain_id: str | None
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class KeyShape(CredentialShape):
    """An API key without its token."""

    model_config = ConfigDict(title="ApiKey")


class KeyIssued(KeyShape):
    """A new API key; its token is shown this once."""

    model_config = ConfigDict(title="ApiKeyIssued")

    token: Annotated[str, Field(examples=["hp_live_…"])]


class KeysListed(Listed):
    """One page of API keys."""

    data: list[KeyShape]  # type: ignore[assignment]  # narrower on purpose


class LoginShape(CredentialShape):
    """An SMTP credential without its password."""

    model_config = ConfigDict(title="SmtpCredential")

    username: str


class LoginIssued(LoginShape):
    """A new SMTP credential; its password is shown this once."""

    model_config = ConfigDict(title="SmtpCredentialIssued")

    password: str


class LoginsListed(Listed):
    """One page of SMTP credentials."""

    data: list[LoginShape]  # type: ignore[assignment]  # narrower on purpose


class RecordShape(Shape):
    """A DNS record to publish."""

    model_config = ConfigDict(title="DnsRecord")

    record: Annotated[str, Field(description="What it is for.", examples=["DKIM"])]
    name: Annotated[str, Field(description="In full, without the dot at the end.")]
    type: str
    ttl: str
    status: str
    value: str
    priority: Annotated[int | None, Field(description="Of an MX record.")] = None


class CapabilitiesShape(Shape):
    """What a domain may be used for."""

    model_config = ConfigDict(title="Capabilities")

    sending: Literal["enabled", "disabled"]
    receiving: Literal["enabled", "disabled"]


class DomainShape(Created):
    """A domain and the records that its owner publishes."""

    model_config = ConfigDict(title="Domain")

    name: str
    status: Literal["not_started", "pending", "verified", "failed"]
    created_at: datetime
    verified_at: datetime | None
    last_checked_at: datetime | None
    region: Annotated[str | None, Field(description="Always null; for clients written for Resend.")]
    signs_ed25519: Annotated[bool, Field(description="Whether a second signature, by Ed25519, is asked for.")]
    records: list[RecordShape]
    capabilities: CapabilitiesShape
    is_reserved: Annotated[bool, Field(description="Whether its name is one that no DNS has, such as under `.test`.")]


class DomainsListed(Listed):
    """One page of domains."""

    data: list[DomainShape]  # type: ignore[assignment]  # narrower on purpose


class SuppressionShape(Created):
    """An address that is not sent to."""

    model_config = ConfigDict(title="Suppression")

    email: str
    origin: Literal["bounce", "complaint", "manual"]
    source_id: Annotated[str | None, Field(description="The email that it came of.")]
    created_at: datetime


class SuppressionsListed(Listed):
    """One page of suppressions."""

    data: list[SuppressionShape]  # type: ignore[assignment]  # narrower on purpose


class SuppressionRemoved(Deleted):
    """A suppression that is no more."""

    email: str


class SuppressionsRemoved(Listed):
    """The suppressions that were removed."""

    data: list[SuppressionRemoved]  # type: ignore[assignment]  # narrower on purpose


class UsageShape(Shape):
    """The hour of the account."""

    model_config = ConfigDict(title="Usage")

    object: Literal["usage"]
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


class OfferShape(Shape):
    """A plan that may be chosen."""

    model_config = ConfigDict(title="Plan")

    object: Literal["plan"]
    name: str
    title: str
    price_cents: Annotated[int, Field(description="A month.")]
    currency: Literal["usd"]
    limit: Annotated[int, Field(description="Deliveries in any 60 minutes.")]
    window_seconds: int


class PlansListed(Listed):
    """The plans."""

    data: list[OfferShape]  # type: ignore[assignment]  # narrower on purpose


class Through(Shape):
    """When so many emails would be through on the account's plan."""

    name: str | None
    limit: int
    through_at: datetime
    seconds: Annotated[int, Field(description="From now until `through_at`.")]


class ThroughShape(OfferShape):
    """When so many emails would be through on a plan that may be chosen."""

    model_config = ConfigDict(title="ThroughOnPlan")

    through_at: datetime
    seconds: Annotated[int, Field(description="From now until `through_at`.")]


class ForecastShape(Shape):
    """When so many emails would be through if they came now."""

    model_config = ConfigDict(title="Forecast")

    object: Literal["forecast"]
    emails: int
    held: Annotated[int, Field(description="How many wait already and leave before them.")]
    plan: Annotated[Through | None, Field(description="Null without a plan.")]
    higher_plans: list[ThroughShape]


class HealthShape(Shape):
    """The process is alive."""

    model_config = ConfigDict(title="Health")

    status: Literal["alive"]


class ChecksShape(Shape):
    """What was looked at; each is `ok`."""

    model_config = ConfigDict(title="Checks")

    database: str
    redis: str


class ReadinessShape(Shape):
    """Emails can be accepted."""

    model_config = ConfigDict(title="Readiness")

    status: Literal["ready"]
    checks: ChecksShape
