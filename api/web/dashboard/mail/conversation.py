"""The conversation that a message belongs to: what was written before and after it, received and sent."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.web.dashboard.mail.box import MESSAGE, Uid
from api.web.dashboard.mail.readers import TheReader
from hourpost.mailboxes import listing, reading
from hourpost.mailboxes.listing import Search

router = APIRouter()

_MOST = 50
_ASIDE = frozenset({"trash", "junk"})


@router.get(MESSAGE + "/conversation")
async def get_conversation(folder: str, uid: Uid, reader: TheReader) -> Response:
    """Its messages in all folders, the oldest first; nothing where a message stands alone."""
    here = await reader.folder(folder)
    row = await reading.find_row(reader.parts.mail, here.id, uid)
    search = Search(thread_id=row.thread_id)
    page = await reader.parts.mail.read(listing.list_everywhere, reader.mailbox.id, search, _MOST)
    folders = {one.id: one for one in await reader.folders() if one.special_use not in _ASIDE or one.id == here.id}
    turns = [(folders[place], one) for place, one in reversed(page.rows) if place in folders]
    more = page.next is not None
    template, block = "mail/conversation.html", "conversation"
    return await reader.page(template, block=block, folder=here, uid=uid, turns=turns, has_more=more)
