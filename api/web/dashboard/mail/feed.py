"""What happens in the mailbox, told to the page as it happens, so that it asks for what has changed."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from api.web.dashboard.mail.readers import HOME, TheReader, find_reader
from api.web.v1.mailbox_feed import FEED_HEADERS, Following
from hourpost.errors import ServiceUnavailable

router = APIRouter()


@router.get(HOME + "/feed")
async def get_feed(request: Request, reader: TheReader) -> Response:
    """Server-sent events, as long as the session stands."""

    async def may_go_on() -> bool:
        try:
            return await find_reader(request) is not None
        except ServiceUnavailable:
            return True

    following = Following(reader.parts, reader.mailbox.id, may_go_on)
    return StreamingResponse(following.events(), media_type="text/event-stream", headers=FEED_HEADERS)
