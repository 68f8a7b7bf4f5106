"""What is attached to an email that was sent or came in: its list, and links to fetch it by without a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Query

from api.web.answers import Json, list_of
from api.web.dependencies import Limit
from api.web.download_links import DownloadLinks
from api.web.parts import Parts
from hourpost.aside import aside
from hourpost.errors import Fault, NotFound, ValidationFailed
from hourpost.pages import MAX_LIMIT, Page
from hourpost.rules.mail.attachments import describe_attachment, find_attachment, list_attachments
from hourpost.rules.mail.scanned import Part

T = TypeVar("T")

NOT_KEPT = "The content of this email is no longer kept."

_Place = Annotated[str | None, Query(max_length=200, description="The `id` of the attachment next to the page.")]


@dataclass(frozen=True, slots=True)
class AttachmentsAsked:
    """The page of an email's attachments that a request asks for; most emails have one page."""

    limit: Limit = MAX_LIMIT
    after: _Place = None
    before: _Place = None

    def of(self, parts: Sequence[Part]) -> Page[Part]:
        """The page, in the order of the message. Raises: ValidationFailed for an id that is none of them."""
        places = {part.section: number for number, part in enumerate(parts)}
        ends = (("after", self.after), ("before", self.before))
        faults = [Fault(f"/{name}", f"`{name}` is no attachment of it") for name, at in ends if at and at not in places]
        if self.after and self.before:
            faults.append(Fault("/before", "give `after` or `before`, not both"))
        if faults:
            raise ValidationFailed(faults)
        if self.before:
            end = places[self.before]
            start = max(0, end - self.limit)
            return Page(list(parts[start:end]), start > 0)
        start = places[self.after] + 1 if self.after else 0
        return Page(list(parts[start : start + self.limit]), start + self.limit < len(parts))


AttachmentPaging = Annotated[AttachmentsAsked, Depends()]


class Attached:
    """The attachments of one email, whose public id is ``email_id``."""

    def __init__(self, parts: Parts, account_id: UUID, email_id: str, content: bytes) -> None:
        """Raises: NotFound without content: it is kept for some time only."""
        if not content:
            raise NotFound(NOT_KEPT)
        self._links = DownloadLinks(parts.cipher, parts.settings.public_url)
        self._now = parts.clock.now()
        self._account_id = account_id
        self._email_id = email_id
        self._content = content

    async def list(self, asked: AttachmentsAsked) -> Json:
        """The answer with a page of them."""
        return list_of(await self._aside(lambda: asked.of(list_attachments(self._content)).map(self._view)))

    async def get(self, attachment_id: str) -> Json:
        """The answer with one of them. Raises: NotFound."""
        view = await self._aside(lambda: self._view(get_attachment(self._content, attachment_id)))
        return Json({"object": "attachment"} | view)

    async def _aside(self, work: Callable[[], T]) -> T:
        return await aside(len(self._content), work, self._account_id)

    def _view(self, part: Part) -> dict[str, Any]:
        link = self._links.to(self._account_id, self._email_id, part.section, self._now)
        return describe_attachment(self._content, part) | link


def get_attachment(content: bytes, attachment_id: str) -> Part:
    """The part with this number. Raises: NotFound."""
    found = find_attachment(content, attachment_id)
    if found is None:
        raise NotFound("There is no such attachment.")
    return found
