"""Mailboxes: addresses with a login, their aliases, quotas and app passwords."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.web.dashboard.forms import Form, faults_by_field, read_form, read_list
from api.web.dashboard.visitors import Developer, Reader, Visitor
from api.web.dependencies import id_of
from hourpost.accounts import audit
from hourpost.accounts.passwords import hash_password
from hourpost.domains.queries import list_domains
from hourpost.errors import Fault, Refused, ValidationFailed
from hourpost.mailboxes import app_passwords, changes, queries
from hourpost.mailboxes.changes import MailboxSettings, NewMailbox
from hourpost.mailboxes.queries import PREFIX, Mailbox
from hourpost.mailboxes.scram_keys import ScramSecret
from hourpost.pages import MAX_LIMIT, Cursor
from hourpost.rules.ids import from_text

router = APIRouter()

PATH = "/app/mailboxes"
_ONE = PATH + "/{mailbox_id}"
_GIGABYTE = 1024**3
Work = Callable[[AsyncConnection, UUID], Awaitable[object]]


@router.get(PATH)
async def list_page(request: Request, visitor: Reader) -> Response:
    """All mailboxes, and a form for one more."""
    return await _list(visitor, after=request.query_params.get("after"))


@router.post(PATH)
async def post_mailbox(request: Request, visitor: Developer) -> Response:
    """Make a mailbox."""
    form = await read_form(request)
    try:
        password = await hash_password(form.get("new_password", ""))
        scram = ScramSecret(form.get("new_password", ""), visitor.parts.cipher)
        new = NewMailbox(_address(form), password, form.get("name", ""), _quota(form), scram=scram)
        async with visitor.parts.database.transaction() as connection:
            made = await changes.create_mailbox(connection, visitor.account.id, new, visitor.now)
            await audit.note(connection, visitor.actor(), "mailbox_made", visitor.now, name=made.address)
    except Refused as error:
        faults = faults_by_field(error)
        if "password" in faults:
            faults["new_password"] = faults.pop("password")
        return await _list(visitor, status=422, form=form, faults=faults)
    return visitor.redirect(f"{PATH}/{made.public_id}", f"{made.address} is ready.")


@router.get(_ONE)
async def get_page(mailbox_id: str, visitor: Reader) -> Response:
    """One mailbox."""
    return await _show(visitor, mailbox_id)


@router.post(_ONE)
async def post_settings(mailbox_id: str, request: Request, visitor: Developer) -> Response:
    """Change its name, quota, forwarding and the filing of sent mail."""
    form = await read_form(request)
    try:
        settings = MailboxSettings(
            name=form.get("name", ""),
            quota_bytes=_quota(form),
            forward_to=tuple(form.get("forward_to", "").replace(",", " ").split()),
            keeps_forwarded=form.get("keeps_forwarded") == "on",
            files_sent=form.get("files_sent") == "on",
        )
        before = await _mailbox(visitor, mailbox_id)
        async with visitor.parts.database.transaction() as connection:
            saved = await changes.update_mailbox(connection, visitor.account.id, before.id, settings)
            if saved.forward_to != before.forward_to:
                to = ", ".join(saved.forward_to) or "nobody"
                await _note(connection, visitor, "mailbox_forwarding_changed", saved.id, to=to)
    except ValidationFailed as error:
        return await _show(visitor, mailbox_id, status=422, form=form, faults=faults_by_field(error))
    return visitor.redirect(f"{PATH}/{mailbox_id}", "It is saved.")


@router.post(_ONE + "/password")
async def post_password(mailbox_id: str, request: Request, visitor: Developer) -> Response:
    """Give it another password; sessions with the old one end."""
    form = await read_form(request)
    try:
        hashed = await hash_password(form.get("new_password", ""))
    except ValidationFailed as error:
        return await _show(visitor, mailbox_id, status=422, faults={"new_password": error.message})

    async def work(connection: AsyncConnection, wanted: UUID) -> object:
        scram = ScramSecret(form.get("new_password", ""), visitor.parts.cipher)
        await _note(connection, visitor, "mailbox_password_changed", wanted)
        return await changes.set_password(connection, visitor.account.id, wanted, hashed, scram)

    return await _change(visitor, mailbox_id, work, "The password is changed; other sessions have ended.")


@router.post(_ONE + "/aliases")
async def post_alias(mailbox_id: str, request: Request, visitor: Developer) -> Response:
    """Add an alias."""
    form = await read_form(request)

    async def work(connection: AsyncConnection, wanted: UUID) -> object:
        alias = form.get("alias", "")
        await _note(connection, visitor, "alias_added", wanted, alias=alias)
        return await changes.add_alias(connection, visitor.account.id, wanted, alias, visitor.now)

    return await _change(visitor, mailbox_id, work, "The alias gets its mail here from now on.")


@router.post(_ONE + "/aliases/remove")
async def post_remove_alias(mailbox_id: str, request: Request, visitor: Developer) -> Response:
    """Take an alias away."""
    form = await read_form(request)

    async def work(connection: AsyncConnection, wanted: UUID) -> object:
        alias = form.get("alias", "")
        await _note(connection, visitor, "alias_removed", wanted, alias=alias)
        return await changes.remove_alias(connection, visitor.account.id, wanted, alias)

    return await _change(visitor, mailbox_id, work, "The alias is gone.")


@router.post(_ONE + "/catch-all")
async def post_catch_all(mailbox_id: str, request: Request, visitor: Developer) -> Response:
    """Whether it gets what nobody else of its domain gets."""
    wants = (await read_form(request)).get("wanted") == "yes"

    async def work(connection: AsyncConnection, wanted: UUID) -> object:
        await _note(connection, visitor, "mailbox_changed", wanted, catch_all="yes" if wants else "no")
        return await changes.set_catch_all(connection, visitor.account.id, wanted, wanted=wants, now=visitor.now)

    words = "It gets what nobody else of its domain gets." if wants else "It gets its own mail only."
    return await _change(visitor, mailbox_id, work, words)


@router.post(_ONE + "/app-passwords")
async def post_app_password(mailbox_id: str, request: Request, visitor: Developer) -> Response:
    """Make an app password; it is in this answer and nowhere else."""
    form, scopes = await read_form(request), await read_list(request, "scopes")
    place = (visitor.account.id, _id(mailbox_id))
    try:
        async with visitor.parts.database.transaction() as connection:
            issued = await app_passwords.create_app_password(
                connection, place, form.get("app_name", ""), scopes, visitor.now
            )
            name = issued.app_password.name
            await _note(connection, visitor, "app_password_made", place[1], app_password=name)
    except ValidationFailed as error:
        faults = faults_by_field(error)
        return await _show(visitor, mailbox_id, status=422, faults=faults | {"app_name": faults.get("name", "")})
    return await _show(visitor, mailbox_id, issued=issued)


@router.post(_ONE + "/app-passwords/revoke")
async def post_revoke(mailbox_id: str, request: Request, visitor: Developer) -> Response:
    """Revoke an app password; sessions with it end at once."""
    form = await read_form(request)
    app_password = id_of(app_passwords.PREFIX, form.get("id", ""), "app password")

    async def work(connection: AsyncConnection, wanted: UUID) -> None:
        await app_passwords.revoke_app_password(connection, (visitor.account.id, wanted), app_password, visitor.now)
        await _note(connection, visitor, "app_password_revoked", wanted)

    return await _change(visitor, mailbox_id, work, "It is revoked; sessions with it have ended.")


@router.post(_ONE + "/delete")
async def post_delete(mailbox_id: str, visitor: Developer) -> Response:
    """Close it; it can be had back for 30 days."""

    async def work(connection: AsyncConnection, wanted: UUID) -> object:
        closed = await changes.delete_mailbox(connection, visitor.account.id, wanted, visitor.now)
        await audit.note(connection, visitor.actor(), "mailbox_deleted", visitor.now, name=closed.address)
        return closed

    return await _change(visitor, mailbox_id, work, "It is closed. Within 30 days it can be restored.")


@router.post(_ONE + "/restore")
async def post_restore(mailbox_id: str, visitor: Developer) -> Response:
    """Open it again."""

    async def work(connection: AsyncConnection, wanted: UUID) -> object:
        if (await queries.get_mailbox(connection, visitor.account.id, wanted)).deleted_at is not None:
            await _note(connection, visitor, "mailbox_restored", wanted)
        return await changes.restore_mailbox(connection, visitor.account.id, wanted, visitor.now)

    return await _change(visitor, mailbox_id, work, "It is open again, with all that was in it.")


async def _note(connection: AsyncConnection, visitor: Visitor, action: str, mailbox_id: UUID, **detail: str) -> None:
    """Write into the audit log what is done to a mailbox. Raises: NotFound."""
    mailbox = await queries.get_mailbox(connection, visitor.account.id, mailbox_id)
    await audit.note(connection, visitor.actor(), action, visitor.now, name=mailbox.address, **detail)


async def _change(visitor: Visitor, mailbox_id: str, work: Work, words: str) -> Response:
    """Do it and go back to the page, with what was wrong if it could not be done."""
    await _mailbox(visitor, mailbox_id)
    try:
        async with visitor.parts.database.transaction() as connection:
            await work(connection, _id(mailbox_id))
    except Refused as error:
        return visitor.redirect(f"{PATH}/{mailbox_id}", error.message, "bad")
    return visitor.redirect(f"{PATH}/{mailbox_id}", words)


async def _show(visitor: Visitor, mailbox_id: str, *, status: int = 200, **given: Any) -> Response:
    mailbox = await _mailbox(visitor, mailbox_id)
    found = []
    if mailbox.deleted_at is None:
        async with visitor.parts.database.reading() as connection:
            found = await app_passwords.list_app_passwords(connection, visitor.account.id, mailbox.id)
    form = {
        "name": mailbox.name,
        "quota": f"{mailbox.quota_bytes / _GIGABYTE:g}",
        "forward_to": ", ".join(mailbox.forward_to),
        "keeps_forwarded": "on" if mailbox.keeps_forwarded else "",
        "files_sent": "on" if mailbox.files_sent else "",
    }
    context = {"form": form, "issued": None, "app_passwords": found, "scopes": app_passwords.SCOPES} | given
    return await visitor.page("mailboxes/one.html", status=status, mailbox=mailbox, **context)


async def _list(visitor: Visitor, *, after: str | None = None, status: int = 200, **given: Any) -> Response:
    place = Cursor(MAX_LIMIT, from_text(PREFIX, after) if after else None)
    async with visitor.parts.database.reading() as connection:
        page = await queries.list_mailboxes(connection, visitor.account.id, place)
        since = visitor.now - changes.GRACE
        closed = await queries.list_mailboxes(connection, visitor.account.id, Cursor(MAX_LIMIT), deleted_since=since)
        domains = (await list_domains(connection, visitor.account.id, Cursor(MAX_LIMIT))).data
    names = [one.name for one in domains if one.verified_at is not None]
    older = f"{PATH}?after={page.data[-1].public_id}" if page.has_more else ""
    context = {"form": {"quota": "10"}} | given
    return await visitor.page(
        "mailboxes/list.html",
        status=status,
        mailboxes=page.data,
        closed=closed.data,
        domains=names,
        domain_choices=[(one, one) for one in names],
        older=older,
        **context,
    )


async def _mailbox(visitor: Visitor, mailbox_id: str) -> Mailbox:
    async with visitor.parts.database.reading() as connection:
        return await queries.get_mailbox(connection, visitor.account.id, _id(mailbox_id))


def _address(form: Form) -> str:
    local, domain = form.get("address", ""), form.get("domain", "")
    return local if "@" in local or not domain else f"{local}@{domain}"


def _quota(form: Form) -> int:
    try:
        return round(float(form.get("quota", "10")) * _GIGABYTE)
    except (ValueError, OverflowError):
        raise ValidationFailed([Fault("/quota", "the quota is a number of GB, such as 10")]) from None


def _id(mailbox_id: str) -> UUID:
    return id_of(PREFIX, mailbox_id, "mailbox")
