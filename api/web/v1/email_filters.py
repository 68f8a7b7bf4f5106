"""What a list of emails is narrowed to."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from hourpost.emails.queries import Filters
from hourpost.errors import Fault, ValidationFailed
from hourpost.pages import DEFAULT_LIMIT, MAX_LIMIT
from hourpost.rules.addresses import AddressError, parse_address
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import from_text
from hourpost.rules.moments import MomentError, parse_past_moment


class EmailQuery(BaseModel):
    """Which emails, and which page of them."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many items, at most.")
    after: str | None = Field(None, description="The id that the page comes after: older items.")
    before: str | None = Field(None, description="The id that the page comes before: newer items.")
    status: State | None = Field(None, description="At least one recipient is in this state.")
    to: str | None = Field(None, description="A recipient's address.")
    from_: str | None = Field(None, alias="from", description="The sender's address.")
    subject: str | None = Field(None, description="Part of the subject.", max_length=200)
    tag: str | None = Field(None, description="`name` or `name:value`.", max_length=600)
    message_id: str | None = Field(
        None, description="The Message-ID, with or without its angle brackets.", max_length=1000
    )
    since: str | None = Field(None, description="Accepted at this moment or later: ISO 8601, a date, or `2 days ago`.")
    until: str | None = Field(None, description="Accepted before this moment.")


class EmailPage(EmailQuery):
    """The same as the API reads it: whatever is wrong anywhere is found at once."""

    @field_validator("after", "before")
    @classmethod
    def _are_ids(cls, text: str | None, found: ValidationInfo) -> str | None:
        if text and from_text("em", text) is None:
            raise ValueError("must be an id such as em_…")
        if text and found.field_name == "before" and found.data.get("after"):
            raise ValueError("give `after` or `before`, not both")
        return text or None

    @field_validator("to", "from_")
    @classmethod
    def _are_addresses(cls, text: str | None) -> str | None:
        if text:
            parse_address(text)
        return text

    @field_validator("subject", "tag", "message_id")
    @classmethod
    def _are_texts(cls, text: str | None) -> str | None:
        if "\0" in (text or ""):
            raise ValueError("holds the character U+0000")
        return text

    @field_validator("since", "until")
    @classmethod
    def _are_moments(cls, text: str | None) -> str | None:
        if text:
            parse_past_moment(text, now=datetime.now(UTC))
        return text


def read_filters(query: EmailQuery, now: datetime) -> Filters:
    """The filters of a list. Raises: ValidationFailed with all that cannot be one."""
    faults: list[Fault] = []
    tag = _text("tag", query.tag, faults)
    name, _, value = (tag or "").partition(":")
    filters = Filters(
        status=query.status,
        to=_address("to", query.to, faults),
        from_=(_address("from", query.from_, faults) or "").lower() or None,
        subject=_text("subject", query.subject, faults),
        tag=(name, value or None) if tag else None,
        message_id=_message_id(_text("message_id", query.message_id, faults)),
        since=_moment("since", query.since, now, faults),
        until=_moment("until", query.until, now, faults),
    )
    if faults:
        raise ValidationFailed(faults)
    return filters


def _text(name: str, text: str | None, faults: list[Fault]) -> str | None:
    if text is not None and "\0" in text:
        faults.append(Fault(f"/{name}", f"`{name}` holds the character U+0000"))
        return None
    return text or None


def _message_id(text: str | None) -> str | None:
    bare = (text or "").strip().removeprefix("<").removesuffix(">")
    return f"<{bare}>" if bare else None


def _address(name: str, text: str | None, faults: list[Fault]) -> str | None:
    if not text:
        return None
    try:
        return parse_address(text).spec
    except AddressError as error:
        faults.append(Fault(f"/{name}", f"`{name}`: {error}"))
        return None


def _moment(name: str, text: str | None, now: datetime, faults: list[Fault]) -> datetime | None:
    if not text:
        return None
    try:
        return parse_past_moment(text, now=now)
    except MomentError as error:
        faults.append(Fault(f"/{name}", f"`{name}`: {error}"))
        return None
