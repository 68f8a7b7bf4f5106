"""Mailboxes: addresses with a login, read by IMAP, POP3 or here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from api.web.answers import Json, list_of
from api.web.dependencies import DomainManager, PageAsked, ThePartsOf, paging_of
from api.web.drafts import Draft, read_draft
from api.web.faults import check_all
from api.web.ledger import Ledger, TheLedger
from api.web.parts import Parts
from api.web.v1 import mailbox_shapes as shapes
from api.web.v1.documented import body, route
from api.web.v1.mailbox_places import mailbox_of, no_nul, require_reach
from hourpost.accounts.passwords import MAX_LENGTH, MIN_LENGTH, check_password, hash_password
from hourpost.errors import Fault, ValidationFailed
from hourpost.mailboxes import addressing, changes, queries
from hourpost.mailboxes.changes import DEFAULT_QUOTA_BYTES, GRACE, MailboxSettings, NewMailbox
from hourpost.mailboxes.queries import Mailbox
from hourpost.mailboxes.scram_keys import ScramSecret
from hourpost.mailboxes.wording import MAX_SIGNATURE, check_auto_reply, check_signature
from hourpost.rules.addresses import AddressError, parse_address
from hourpost.rules.auto_reply import MAX_SUBJECT, MAX_TEXT, AutoReply
from hourpost.rules.submission import Standing

router = APIRouter(prefix="/mailboxes", tags=["mailboxes"])

_Paging = Annotated[PageAsked, paging_of(queries.PREFIX)]

_EXAMPLE: dict[str, Any] = {"address": "ada@acme.test", "password": "a long password", "name": "Ada"}
Password = Annotated[
    str, Field(description=f"{MIN_LENGTH} to {MAX_LENGTH} characters.", json_schema_extra={"format": "password"})
]
Text = Annotated[str, Field(max_length=1000)]


class NewMailboxFields(BaseModel):
    """A mailbox to be."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    address: Text = Field(description="On a verified domain of the account.")
    password: Password
    name: Text = Field("", description="Stands before the address in what is sent.")
    quota_bytes: int = Field(DEFAULT_QUOTA_BYTES, description="What its messages may take together.")
    aliases: list[Text] = Field(default_factory=list, max_length=100, description="Other addresses of it.")
    catch_all: bool = Field(False, description="Whether it gets what nobody else of its domain gets.")


class AutoReplyFields(BaseModel):
    """What a mailbox answers by itself."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=MAX_TEXT)
    subject: str = Field("", max_length=MAX_SUBJECT, description="Without one: that of the message, behind `Auto:`.")
    first_day: date | None = None
    last_day: date | None = None
    time_zone: str = Field("UTC", max_length=100, description="In which its days begin and end, as `Europe/Berlin`.")

    def to_reply(self) -> AutoReply:
        """As the mailbox keeps it."""
        return AutoReply(self.text, self.subject.strip(), self.first_day, self.last_day, self.time_zone)


class MailboxChange(BaseModel):
    """What is to change; what is not named stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"quota_bytes": 1_000_000_000}})

    password: Password | None = Field(None, description="Sessions that came in with the old one end.")
    name: Text | None = None
    quota_bytes: int | None = None
    forward_to: list[Text] | None = Field(None, max_length=10, description="Gets what comes in; empty for nobody.")
    keeps_forwarded: bool | None = Field(
        None, description="Whether a copy stays here of what has left; what cannot stays, or comes back."
    )
    files_sent: bool | None = Field(
        None,
        description="Whether what is sent from its address goes into Sent; of what the mailbox sends itself,"
        " after ten minutes, where its mail program has filed no copy.",
    )
    catch_all: bool | None = None
    signature: Annotated[str, Field(max_length=MAX_SIGNATURE)] | None = Field(
        None, description="Stands under what is written in the browser."
    )
    auto_reply: AutoReplyFields | None = Field(
        None, description="Answers people by itself, each once in seven days; null stops it."
    )


@router.post("", **route("create_mailbox", shapes.MailboxShape, 201, openapi_extra=body("NewMailboxFields")))
async def create_mailbox(request: Request, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Make a mailbox with the usual folders. Its address and password log in to IMAP, POP3 and SMTP."""
    draft = await read_draft(request, NewMailboxFields)
    with draft.noting():
        _check_new(draft.fields)
    addresses = {"/address": draft.fields.address, **_numbered("/aliases", draft.fields.aliases)}
    with draft.noting():
        require_reach(caller, addresses.items())
    await _note_domains(draft, caller, parts, addresses)
    fields = draft.end()
    new = NewMailbox(
        fields.address,
        await hash_password(fields.password),
        fields.name,
        fields.quota_bytes,
        tuple(fields.aliases),
        fields.catch_all,
        ScramSecret(fields.password, parts.cipher),
    )
    async with parts.database.transaction() as connection:
        made = await changes.create_mailbox(connection, caller.account_id, new, parts.clock.now())
        await ledger.note(connection, caller, "mailbox_made", name=made.address)
    return Json(view(made), 201, {"Location": f"/v1/mailboxes/{made.public_id}"})


@router.get("", **route("list_mailboxes", shapes.MailboxesListed))
async def list_mailboxes(
    caller: DomainManager,
    parts: ThePartsOf,
    paging: _Paging,
    deleted: Annotated[bool, Query(description="Those that can be restored, and no others.")] = False,
) -> Response:
    """List the mailboxes of the account, newest first."""
    page = paging.cursor(queries.PREFIX)
    since = parts.clock.now() - GRACE if deleted else None
    async with parts.database.reading() as connection:
        found = await queries.list_mailboxes(connection, caller.account_id, page, caller.reach, deleted_since=since)
    return list_of(found.map(view))


@router.get("/{mailbox}", **route("get_mailbox", shapes.MailboxShape))
async def get_mailbox(mailbox: str, caller: DomainManager, parts: ThePartsOf) -> Response:
    """Get a mailbox by its id or its address."""
    return Json(view(await mailbox_of(mailbox, caller, parts)))


@router.patch("/{mailbox}", **route("update_mailbox", shapes.MailboxShape, openapi_extra=body("MailboxChange")))
async def update_mailbox(
    mailbox: str, request: Request, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger
) -> Response:
    """Change a mailbox: its password, its name, how much it may hold, where its mail goes besides."""
    found = await mailbox_of(mailbox, caller, parts)
    draft = await read_draft(request, MailboxChange)
    with draft.noting():
        _check_change(draft.fields)
    fields = draft.end()
    password_hash = None if fields.password is None else await hash_password(fields.password)
    settings = MailboxSettings(
        fields.name,
        fields.quota_bytes,
        None if fields.forward_to is None else tuple(fields.forward_to),
        fields.keeps_forwarded,
        fields.files_sent,
        fields.signature,
    )
    async with parts.database.transaction() as connection:
        changed = await changes.update_mailbox(connection, caller.account_id, found.id, settings)
        if password_hash is not None:
            scram = ScramSecret(fields.password or "", parts.cipher)
            changed = await changes.set_password(connection, caller.account_id, found.id, password_hash, scram)
        if fields.catch_all is not None:
            wanted, now = fields.catch_all, parts.clock.now()
            changed = await changes.set_catch_all(connection, caller.account_id, found.id, wanted=wanted, now=now)
        if "auto_reply" in fields.model_fields_set:
            reply = fields.auto_reply.to_reply() if fields.auto_reply else None
            changed = await changes.set_auto_reply(connection, caller.account_id, found.id, reply)
        await _note_change(connection, ledger, caller, fields, found.address)
    return Json(view(changed))


@router.delete("/{mailbox}", **route("delete_mailbox", shapes.MailboxDeleted))
async def delete_mailbox(mailbox: str, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Delete a mailbox: it gets no more mail and lets nobody in. For 30 days it can be restored."""
    found = await mailbox_of(mailbox, caller, parts)
    now = parts.clock.now()
    async with parts.database.transaction() as connection:
        await changes.delete_mailbox(connection, caller.account_id, found.id, now)
        await ledger.note(connection, caller, "mailbox_deleted", name=found.address)
    gone = {"object": "mailbox", "id": found.public_id, "address": found.address, "deleted": True}
    return Json(gone | {"restorable_until": now + GRACE})


@router.post("/{mailbox}/restore", **route("restore_mailbox", shapes.MailboxShape))
async def restore_mailbox(mailbox: str, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Restore a mailbox that was deleted in the last 30 days, by its id or address; its aliases are given anew."""
    found = await mailbox_of(mailbox, caller, parts, deleted_too=True)
    async with parts.database.transaction() as connection:
        restored = await changes.restore_mailbox(connection, caller.account_id, found.id, parts.clock.now())
        if found.deleted_at is not None:  # who asks again is told the same
            await ledger.note(connection, caller, "mailbox_restored", name=found.address)
    return Json(view(restored))


async def _note_change(
    connection: AsyncConnection, ledger: Ledger, caller: Standing, fields: MailboxChange, address: str
) -> None:
    """What opens a mailbox to others has words of its own."""
    given = fields.model_fields_set
    if "password" in given:
        await ledger.note(connection, caller, "mailbox_password_changed", name=address)
    if "forward_to" in given:
        to = ", ".join(fields.forward_to or ())
        await ledger.note(connection, caller, "mailbox_forwarding_changed", name=address, to=to)
    if others := sorted(given - {"password", "forward_to"}):
        await ledger.note(connection, caller, "mailbox_changed", name=address, changed=", ".join(others))


async def _note_domains(
    draft: Draft[NewMailboxFields], caller: Standing, parts: Parts, addresses: Mapping[str, str]
) -> None:
    """Keep in ``draft`` which of its addresses, by their places, are of no verified domain of the account."""
    async with parts.database.reading() as connection:
        for place, text in addresses.items():
            with draft.noting():
                domain = addressing.read_address(text, place).domain
                await addressing.check_domain(connection, caller.account_id, domain, place)


def view(mailbox: Mailbox) -> dict[str, Any]:
    """A mailbox as clients see it."""
    return {
        "object": "mailbox",
        "id": mailbox.public_id,
        "address": mailbox.address,
        "name": mailbox.name,
        "aliases": list(mailbox.aliases),
        "catch_all": bool(mailbox.catch_all),
        "forward_to": list(mailbox.forward_to),
        "keeps_forwarded": mailbox.keeps_forwarded,
        "files_sent": mailbox.files_sent,
        "signature": mailbox.signature,
        "auto_reply": asdict(mailbox.auto_reply) if mailbox.auto_reply else None,
        "quota_bytes": mailbox.quota_bytes,
        "used_bytes": mailbox.used_bytes,
        "deleted_at": mailbox.deleted_at,
        "created_at": mailbox.created_at,
    }


def _check_new(fields: NewMailboxFields) -> None:
    """Raises: ValidationFailed, with every fault."""
    texts = {"/address": fields.address, "/name": fields.name, **_numbered("/aliases", fields.aliases)}
    check_all(
        lambda: no_nul(texts),
        lambda: addressing.read_address(fields.address, "/address"),
        lambda: check_password(fields.password),
        lambda: changes.check_settings(fields.name, fields.quota_bytes),
        *(
            partial(addressing.read_address, text, place)
            for place, text in _numbered("/aliases", fields.aliases).items()
        ),
    )


def _check_change(fields: MailboxChange) -> None:
    """Raises: ValidationFailed, with every fault."""
    forwards = _numbered("/forward_to", fields.forward_to or [])
    check_all(
        lambda: no_nul({"/name": fields.name or "", **forwards}),
        lambda: None if fields.password is None else check_password(fields.password),
        lambda: changes.check_settings(fields.name or "", fields.quota_bytes if fields.quota_bytes is not None else 1),
        lambda: check_signature(fields.signature or ""),
        lambda: None if fields.auto_reply is None else check_auto_reply(fields.auto_reply.to_reply()),
        *(partial(_check_forward, text, place) for place, text in forwards.items()),
    )


def _check_forward(text: str, place: str) -> None:
    try:
        parse_address(text.strip())
    except AddressError as error:
        raise ValidationFailed([Fault(place, str(error))]) from None


def _numbered(place: str, texts: list[str]) -> dict[str, str]:
    return {f"{place}/{index}": text for index, text in enumerate(texts)}
