"""What a list of messages is narrowed to."""

from __future__ import annotations

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from hourpost.errors import Fault, ValidationFailed
from hourpost.mailboxes.listing import Search, UidCursor
from hourpost.mailboxes.uid_ranges import LAST_UID
from hourpost.pages import DEFAULT_LIMIT, MAX_LIMIT
from hourpost.rules.ids import from_text
from hourpost.rules.mail_flags import Flag

THREAD_PREFIX = "thr"


class MessageQuery(BaseModel):
    """What a list of messages is narrowed to, and which page of it."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many items, at most.")
    after: int | None = Field(None, ge=1, le=LAST_UID, description="The uid that the page comes after: older ones.")
    before: int | None = Field(None, ge=1, le=LAST_UID, description="The uid that the page comes before: newer ones.")
    q: str = Field("", max_length=500, description="Every word stands in the header or the text, in any case.")
    unseen: bool = Field(False, description="Only those that nobody has read.")
    flagged: bool = Field(False, description="Only flagged ones.")
    with_attachments: bool = Field(False, description="Only those with something attached.")
    thread: str | None = Field(None, description="Only those of one thread.")
    since: AwareDatetime | None = Field(None, description="Only those that came then or later.")
    until: AwareDatetime | None = Field(None, description="Only those that came before.")

    @property
    def cursor(self) -> UidCursor:
        """The page. Raises: ValidationFailed."""
        if self.after is not None and self.before is not None:
            raise ValidationFailed([Fault("/before", "give after or before, not both")])
        return UidCursor(self.limit, self.after, self.before)

    @property
    def search(self) -> Search:
        """What is looked for. Raises: ValidationFailed."""
        thread_id: UUID | None = None
        if self.thread is not None and (thread_id := from_text(THREAD_PREFIX, self.thread)) is None:
            raise ValidationFailed([Fault("/thread", "`thread` must be an id such as thr_…")])
        return Search(
            text=self.q,
            flags=Flag.FLAGGED if self.flagged else Flag.NONE,
            without_flags=Flag.SEEN if self.unseen else Flag.NONE,
            with_attachments=self.with_attachments,
            thread_id=thread_id,
            since=self.since,
            until=self.until,
        )
