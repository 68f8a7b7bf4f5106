"""What waits to leave: the meter and the list by themselves, for the script that asks again; and taking it back."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import local_path, read_form
from api.web.dashboard.mail.box import MESSAGE, Uid
from api.web.dashboard.mail.readers import HOME, TheReader
from hourpost.emails import changes, of_mailbox
from hourpost.emails.hour import give_back
from hourpost.errors import Conflict, NotFound
from hourpost.mailboxes import reading
from hourpost.rules.ids import from_text

router = APIRouter()

PATH = HOME + "/waiting"


@router.get(HOME + "/hour")
async def get_hour(reader: TheReader) -> Response:
    """The meter."""
    return await reader.page("mail/waiting.html", block="hour", outgoing=await reader.outgoing())


@router.get(PATH)
async def get_waiting(reader: TheReader) -> Response:
    """The letters that wait."""
    return await reader.page("mail/waiting.html", block="waiting", outgoing=await reader.outgoing())


@router.get(MESSAGE + "/fate")
async def get_fate(folder: str, uid: Uid, reader: TheReader) -> Response:
    """What became of one sent letter, for each recipient."""
    here = await reader.folder(folder)
    row = await reading.find_row(reader.parts.mail, here.id, uid)
    sent = await reader.sent(row)
    return await reader.page(
        "mail/waiting.html", block="fate", outgoing=await reader.outgoing(), sent=sent, folder=here, uid=uid, row=row
    )


@router.post(HOME + "/sent/{email_id}/cancel")
async def post_cancel(email_id: str, request: Request, reader: TheReader) -> Response:
    """Take a letter back, as far as it has not left. Raises: NotFound."""
    back = local_path((await read_form(request)).get("back"), f"{HOME}/f/{(await reader.folder('sent')).public_id}")
    known = from_text("em", email_id)
    if known is None:
        raise NotFound("There is no such letter.")
    account_id = reader.mailbox.account_id
    try:
        async with reader.parts.database.transaction() as connection:
            await of_mailbox.check_own(connection, account_id, reader.mailbox.id, known)
            given = await changes.cancel_email(connection, account_id, known, reader.now)
    except Conflict:
        return reader.redirect(back, "It has left already.", "warn")
    await give_back(reader.parts.hour, reader.parts.database, given)
    return reader.redirect(back, "Canceled: what had not left stays here.", "info")
