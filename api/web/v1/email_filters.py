"""What a list of emails is narrowed to."""

from __future__ import annotations

import re

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from api.web.v1.moments import PastMoment, check_end
from hourpost.emails.queries import Filters
from hourpost.pages import DEFAULT_LIMIT, MAX_LIMIT
from hourpost.rules.addresses import parse_address
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import from_text
from hourpost.rules.labels import TAG_NAME

_TAG = re.compile(rf"(?s){TAG_NAME.removesuffix('$')}(:[^\0]+)?")


class EmailQuery(BaseModel):
    """Which emails, and which page of them; whatever is wrong anywhere is found at once."""

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
    since: PastMoment = Field(None, description="Accepted at this moment or later: ISO 8601, a date, or `2 days ago`.")
    until: PastMoment = Field(None, description="Accepted before this moment.")

    _ends = field_validator("until")(check_end)

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
        return parse_address(text).spec if text else None

    @field_validator("subject", "message_id")
    @classmethod
    def _are_texts(cls, text: str | None) -> str | None:
        if "\0" in (text or ""):
            raise ValueError("holds the character U+0000")
        return text or None

    @field_validator("tag")
    @classmethod
    def _is_a_tag(cls, text: str | None) -> str | None:
        if text and not _TAG.fullmatch(text):
            raise ValueError("must be `name` or `name:value`, of a name of letters, digits, _ and -")
        return text or None

    def to_filters(self) -> Filters:
        """What is looked for."""
        name, _, value = (self.tag or "").partition(":")
        bare = (self.message_id or "").strip().removeprefix("<").removesuffix(">")
        return Filters(
            status=self.status,
            to=self.to,
            from_=self.from_.lower() if self.from_ else None,
            subject=self.subject,
            tag=(name, value or None) if name else None,
            message_id=f"<{bare}>" if bare else None,
            since=self.since,
            until=self.until,
        )
