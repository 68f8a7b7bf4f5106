"""Who was in the inbox and is so no longer: a letter that was sent stays in sight."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive

from api.web.dashboard.mail.beginning import FIELDS
from api.web.dashboard.mail.enclosures import uploads
from api.web.dashboard.visitors import Guest
from api.web.parts import parts_of
from api.web.v1.email_fields import MAX_ATTACHMENTS

_MOST_BYTES = 12 * 1024 * 1024
"""Of a letter that nobody in particular has sent so much is looked at: its words come first, its files behind them."""


async def show_letter(request: Request) -> Response:
    """The page of a letter that could be neither sent nor kept: all that it says, to go on with after logging in."""
    receive = _Beginning(request.receive)
    short = Request(request.scope, receive)
    async with short.form(max_files=MAX_ATTACHMENTS, max_part_size=_MOST_BYTES) as data:
        form = {name: str(data.get(name, "")) for name in FIELDS}
        form["text"] = form["text"].replace("\r\n", "\n")
        kept = [str(one) for one in data.getlist("kept")]
        has_files = bool(uploads(data)) or receive.is_cut
        kept_shown = str(data.get("kept_shown", ""))
    visitor = Guest(request, parts_of(request), None)
    context: dict[str, Any] = {"form": form, "kept": kept, "kept_shown": kept_shown, "has_files": has_files}
    return await visitor.page("mail/ended.html", status=401, **context)


class _Beginning:
    """A body, read to its end as a browser must be before it listens, of which only the beginning counts."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = _MOST_BYTES
        self.is_cut = False

    async def __call__(self) -> Message:
        """The next of it."""
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        body = message.get("body", b"")
        self.is_cut |= len(body) > self._left
        body = body[: self._left]
        self._left -= len(body)
        return {**message, "body": body}
