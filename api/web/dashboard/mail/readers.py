"""Who reads mail in the browser: the mailbox that a session opens, its folders, and how it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.web.dashboard.answered import page_to_read
from api.web.dashboard.cookies import Flash, clear_flash, read_flash, read_keyless, read_mail_session, set_flash
from api.web.dashboard.mail.outgoing import Outgoing, read_outgoing
from api.web.dashboard.rendering import render
from api.web.parts import Parts, parts_of
from api.web.v1.mailbox_places import folder_of
from hourpost.emails.of_mailbox import SentLetter, find_sent
from hourpost.errors import NotAuthenticated
from hourpost.mailboxes.folders import Folder, list_folders
from hourpost.mailboxes.messages import MessageRow
from hourpost.mailboxes.queries import Mailbox
from hourpost.mailboxes.reading import Place
from hourpost.mailboxes.sessions import find_mailbox_of_session, note_mail_session

HOME = "/mail"
_FIRST = ("", "drafts", "sent", "archive", "junk", "trash")


class MailNotAuthenticated(NotAuthenticated):
    """Nobody is in this browser's inbox."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A mailbox and the browser in which it is read."""

    request: Request
    parts: Parts
    mailbox: Mailbox
    token: str

    @property
    def now(self) -> datetime:
        """The moment."""
        return self.parts.clock.now()

    def place(self, folder_id: UUID, uid: int) -> Place:
        """Where a message of the mailbox lies."""
        return Place(self.mailbox.account_id, folder_id, uid)

    async def folder(self, text: str) -> Folder:
        """A folder by its id or by what it is for. Raises: NotFound."""
        return await folder_of(text, self.mailbox, self.parts)

    async def folders(self) -> list[Folder]:
        """Every folder: INBOX and those with a use first, then the others by name."""
        return in_order(await self.parts.mail.read(list_folders, self.mailbox.id))

    async def outgoing(self) -> Outgoing:
        """The hour, and what still waits of the mailbox."""
        return await read_outgoing(self.parts, self.mailbox)

    async def sent(self, row: MessageRow) -> SentLetter | None:
        """What became of the letter whose copy this message is, if it is one."""
        async with self.parts.database.reading() as connection:
            return await find_sent(connection, self.mailbox.account_id, self.mailbox.id, row.content_id, row.message_id)

    async def page(self, template: str, *, status: int = 200, block: str | None = None, **context: Any) -> HTMLResponse:
        """The page of a template; where a script asks, only its ``block``."""
        is_fragment = block is not None and "hx-request" in self.request.headers
        flash = None if is_fragment else read_flash(self.request)
        context = {"faults": {}, "form": {}} | context
        if "outgoing" not in context and not is_fragment:
            context["outgoing"] = await self.outgoing()
        context |= {
            "reader": self,
            "mailbox": self.mailbox,
            "folders": await self.folders(),
            "settings": self.parts.settings,
            "path": self.request.url.path,
            "posted": page_to_read(self.request),
            "flash": flash,
            "keys_work": not read_keyless(self.request),
            "is_fragment": is_fragment,
            "now": self.now,
        }
        response = HTMLResponse(render(template, block if is_fragment else None, context), status)
        response.headers["Vary"] = "HX-Request"
        if flash is not None:
            clear_flash(response, self.parts.settings)
        return response

    def redirect(self, path: str, message: str = "", tone: str = "good") -> Response:
        """Send the browser to another page of the inbox, with a message for it."""
        return self.lead(path, Flash(message, tone) if message else None)

    def lead(self, path: str, flash: Flash | None) -> Response:
        """Send the browser to another page of the inbox; what is said there may offer to undo."""
        response = RedirectResponse(path, 303)
        if flash is not None:
            set_flash(response, self.parts.settings, flash)
        return response


def in_order(folders: Sequence[Folder]) -> list[Folder]:
    """INBOX, then what has a use, then the rest by name."""

    def place(folder: Folder) -> tuple[int, str]:
        use = "" if folder.name == "INBOX" else folder.special_use
        return (_FIRST.index(use) if use in _FIRST else len(_FIRST), folder.name.lower())

    return sorted(folders, key=place)


async def find_reader(request: Request) -> Reader | None:
    """Whoever is in this browser's inbox."""
    parts, token = parts_of(request), read_mail_session(request)
    if token is None:
        return None
    now = parts.clock.now()
    async with parts.database.reading() as connection:
        found = await find_mailbox_of_session(connection, token, now)
    if found is None:
        return None
    mailbox, is_stale = found
    if is_stale:
        async with parts.database.transaction() as connection:
            await note_mail_session(connection, token, now)
    return Reader(request, parts, mailbox, token)


async def reader(request: Request) -> Reader:
    """Whoever is in this browser's inbox. Raises: MailNotAuthenticated."""
    found = await find_reader(request)
    if found is None:
        raise MailNotAuthenticated("Log in to the mailbox first.")
    return found


TheReader = Annotated[Reader, Depends(reader)]
"""A mailbox whose owner is logged in."""
AnyReader = Annotated[Reader | None, Depends(find_reader)]
"""The same, or None where nobody is."""
