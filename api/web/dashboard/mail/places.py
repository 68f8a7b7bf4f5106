"""Where messages lie, as forms and addresses name them: ``folder:uid``."""

from __future__ import annotations

from api.web.dashboard.mail.readers import HOME, Reader
from hourpost.errors import NotFound
from hourpost.flow.post import Place
from hourpost.mailboxes import reading
from hourpost.mailboxes.uid_ranges import find_uid


async def place_of(reader: Reader, text: str) -> Place:
    """The message that ``folder:uid`` names. Raises: NotFound."""
    folder, _, number = text.partition(":")
    uid = find_uid(number)
    if uid is None:
        raise NotFound("There is no such message.")
    place = Place((await reader.folder(folder)).id, uid)
    await reading.find_row(reader.parts.mail, place.folder_id, place.uid)
    return place


def path_to(text: str) -> str:
    """Where the message is read that ``folder:uid`` names."""
    folder, _, number = text.partition(":")
    return f"{HOME}/f/{folder}/{number}" if folder.isidentifier() and number.isdecimal() else HOME
