"""Whom a letter may go to: those the mailbox has to do with, for the script that offers them."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from api.web.dashboard.mail.readers import HOME, TheReader
from hourpost.mailboxes.correspondents import list_correspondents

router = APIRouter()


@router.get(HOME + "/people")
async def get_people(reader: TheReader) -> Response:
    """Addresses with names, those first that were written to last."""
    mailbox = reader.mailbox
    people = await reader.parts.mail.read(list_correspondents, mailbox.id, mailbox.addresses)
    return JSONResponse({"people": people}, headers={"Cache-Control": "no-store"})
