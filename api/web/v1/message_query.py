"""What a list of messages is narrowed to."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from struct import Struct
from struct import error as StructError  # noqa: N812  # it is a class
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, ValidationInfo, field_validator

from api.web.v1.moments import check_end
from hourpost.errors import Fault, ValidationFailed
from hourpost.mailboxes.listing import Search, Spot, UidCursor
from hourpost.mailboxes.uid_ranges import LAST_UID
from hourpost.pages import DEFAULT_LIMIT, MAX_LIMIT
from hourpost.rules.ids import from_text
from hourpost.rules.mail_flags import Flag

THREAD_PREFIX = "thr"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_SPOT = Struct(">q16si")


class MessageFilters(BaseModel):
    """What a list of messages is narrowed to, and how long its pages are."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many items, at most.")
    q: str = Field(
        "",
        max_length=500,
        description="Every word stands in the header or the text, in any case; in quotes, several are one."
        " `from:`, `to:`, `cc:` and `subject:` in front of a word look in that field.",
    )
    unseen: bool = Field(False, description="Only those that nobody has read.")
    flagged: bool = Field(False, description="Only flagged ones.")
    with_attachments: bool = Field(False, description="Only those with something attached.")
    thread: str | None = Field(None, description="Only those of one thread.")
    since: AwareDatetime | None = Field(None, description="Only those that came then or later.")
    until: AwareDatetime | None = Field(None, description="Only those that came before.")

    _ends = field_validator("until")(check_end)

    @field_validator("thread")
    @classmethod
    def _is_a_thread(cls, text: str | None) -> str | None:
        if text is not None and from_text(THREAD_PREFIX, text) is None:
            raise ValueError("must be an id such as thr_…")
        return text

    @property
    def search(self) -> Search:
        """What is looked for."""
        return Search(
            text=self.q,
            flags=Flag.FLAGGED if self.flagged else Flag.NONE,
            without_flags=Flag.SEEN if self.unseen else Flag.NONE,
            with_attachments=self.with_attachments,
            thread_id=from_text(THREAD_PREFIX, self.thread) if self.thread is not None else None,
            since=self.since,
            until=self.until,
        )


class MessageQuery(MessageFilters):
    """The same of one folder, and which page of it."""

    after: int | None = Field(None, ge=1, le=LAST_UID, description="The uid that the page comes after: older ones.")
    before: int | None = Field(None, ge=1, le=LAST_UID, description="The uid that the page comes before: newer ones.")

    @field_validator("before")
    @classmethod
    def _is_the_only_end(cls, uid: int | None, found: ValidationInfo) -> int | None:
        if uid is not None and found.data.get("after") is not None:
            raise ValueError("give `after` or `before`, not both")
        return uid

    @property
    def cursor(self) -> UidCursor:
        """The page."""
        return UidCursor(self.limit, self.after, self.before)


class EverywhereQuery(MessageFilters):
    """The same of all folders, and which page of them."""

    after: str | None = Field(None, max_length=100, description="The `next` of the page before.")

    @field_validator("after")
    @classmethod
    def _is_a_spot(cls, text: str | None) -> str | None:
        try:
            return text if text is None or read_spot(text) else None
        except ValidationFailed:
            raise ValueError("must be the `next` of a page") from None

    @property
    def spot(self) -> Spot | None:
        """Where the page before has ended."""
        return None if self.after is None else read_spot(self.after)


def spot_text(spot: Spot) -> str:
    """A place in the list of all folders as clients get it; they need not know what is in it."""
    microseconds = (spot.received_at - _BEGINNING) // timedelta(microseconds=1)
    return urlsafe_b64encode(_SPOT.pack(microseconds, spot.folder_id.bytes, spot.uid)).decode().rstrip("=")


def read_spot(text: str) -> Spot:
    """The place that ``spot_text`` wrote. Raises: ValidationFailed."""
    try:
        microseconds, folder, uid = _SPOT.unpack(urlsafe_b64decode(text + "=="))
        return Spot(_BEGINNING + timedelta(microseconds=microseconds), UUID(bytes=folder), uid)
    except (ValueError, OverflowError, StructError):
        raise ValidationFailed([Fault("/after", "`after` must be the `next` of a page")]) from None
