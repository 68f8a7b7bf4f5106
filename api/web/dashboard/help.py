"""Help: how to send, how to set up a mail program, which of IMAP and POP3 to choose."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.web.dashboard.snippets import api_snippets, smtp_snippets
from api.web.dashboard.visitors import AnyGuest

SENDER = "hello@example.com"

router = APIRouter()


@router.get("/help")
async def get_help(visitor: AnyGuest) -> Response:
    """How to send, in six languages."""
    settings = visitor.parts.settings
    by_api = api_snippets(settings, SENDER, "hp_live_…")
    by_smtp = smtp_snippets(settings, SENDER, "your-user-name", "your-password")
    return await visitor.page("help/send.html", by_api=by_api, by_smtp=by_smtp)


@router.get("/help/mail-programs")
async def get_clients(visitor: AnyGuest) -> Response:
    """Outlook, Thunderbird, Apple Mail, phones."""
    return await visitor.page("help/clients.html")


@router.get("/help/imap-or-pop3")
async def get_protocols(visitor: AnyGuest) -> Response:
    """Which of the two, and why."""
    return await visitor.page("help/protocols.html")


@router.get("/help/the-hour")
async def get_hour(visitor: AnyGuest) -> Response:
    """What counts, what waits, and what a program is told."""
    return await visitor.page("help/hour.html")
