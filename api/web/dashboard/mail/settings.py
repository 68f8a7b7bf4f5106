"""Settings: how the mailbox is called, what stands under its letters, and what it answers by itself."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter, Request, Response

from api.web.dashboard.cookies import read_keyless, set_keyless
from api.web.dashboard.forms import Form, faults_by_field, read_form
from api.web.dashboard.mail.readers import HOME, TheReader
from hourpost.errors import Fault, Refused, ValidationFailed
from hourpost.mailboxes.changes import MailboxSettings, set_auto_reply, update_mailbox
from hourpost.mailboxes.queries import Mailbox
from hourpost.mailboxes.wording import check_auto_reply
from hourpost.rules.auto_reply import AutoReply

router = APIRouter()

PATH = HOME + "/settings"
_DAYS = ("first_day", "last_day")


@router.get(PATH)
async def get_settings(request: Request, reader: TheReader) -> Response:
    """What is set."""
    return await reader.page("mail/settings.html", form=_form(reader.mailbox) | _keys(request))


@router.post(PATH)
async def post_settings(request: Request, reader: TheReader) -> Response:
    """Set all of it; an auto-reply that stays as it was tells nobody anew."""
    form, mailbox = await read_form(request), reader.mailbox
    try:
        settings = MailboxSettings(name=form.get("name", ""), signature=form.get("signature", "").replace("\r\n", "\n"))
        reply = _reply(form)
        async with reader.parts.database.transaction() as connection:
            await update_mailbox(connection, mailbox.account_id, mailbox.id, settings)
            if reply != mailbox.auto_reply:
                await set_auto_reply(connection, mailbox.account_id, mailbox.id, reply)
    except Refused as error:
        return await reader.page("mail/settings.html", status=422, form=form, faults=_faults(error))
    response = reader.redirect(PATH, "Your settings are kept.")
    set_keyless(response, reader.parts.settings, is_keyless=form.get("keys") != "on")
    return response


def _keys(request: Request) -> Form:
    return {"keys": "" if read_keyless(request) else "on"}


def _form(mailbox: Mailbox) -> Form:
    reply = mailbox.auto_reply or AutoReply("", time_zone="")
    days = {name: getattr(reply, name).isoformat() if getattr(reply, name) else "" for name in _DAYS}
    return days | {
        "name": mailbox.name,
        "signature": mailbox.signature,
        "answers": "on" if mailbox.auto_reply else "",
        "text": reply.text,
        "subject": reply.subject,
        "time_zone": reply.time_zone,
    }


def _reply(form: Form) -> AutoReply | None:
    """The auto-reply that was asked for. Raises: ValidationFailed."""
    if form.get("answers") != "on":
        return None
    first, last = (_day(form, name) for name in _DAYS)
    text = form.get("text", "").replace("\r\n", "\n")
    reply = AutoReply(text, form.get("subject", ""), first, last, form.get("time_zone") or "UTC")
    check_auto_reply(reply)
    return reply


def _day(form: Form, name: str) -> date | None:
    try:
        return date.fromisoformat(form[name]) if form.get(name) else None
    except ValueError:
        raise ValidationFailed([Fault(f"/auto_reply/{name}", "this is no day; 2026-12-24 is one")]) from None


def _faults(error: Refused) -> dict[str, str]:
    if isinstance(error, ValidationFailed):
        error = ValidationFailed(
            [Fault(fault.pointer.replace("/auto_reply", ""), fault.detail) for fault in error.faults]
        )
    return faults_by_field(error)
