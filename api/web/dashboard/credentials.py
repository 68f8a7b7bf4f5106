"""API keys and SMTP credentials: making them, showing their secret this once, changing and revoking them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.web.dashboard.filters import end_text
from api.web.dashboard.forms import Form, faults_by_field, read_form
from api.web.dashboard.snippets import api_snippets, smtp_snippets
from api.web.dashboard.visitors import Developer, Visitor
from api.web.dependencies import id_of
from api.web.drafts import to_draft_of
from api.web.v1.credential_fields import CredentialChange, NewCredentialFields, read_change, read_new
from hourpost.accounts import audit
from hourpost.credentials import changes, queries
from hourpost.credentials.changes import Issued, NewCredential
from hourpost.credentials.queries import PREFIXES, Credential, Kind
from hourpost.domains.queries import list_domains
from hourpost.errors import Refused, ValidationFailed
from hourpost.pages import MAX_LIMIT, Cursor
from hourpost.rules.ids import from_text
from hourpost.rules.moments import MomentError, find_zone, parse_moment, write_moment

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Place:
    """One of the two lists."""

    path: str
    kind: Kind
    template: str
    noun: str


KEYS = Place("/app/keys", Kind.API_KEY, "credentials/keys.html", "API key")
LOGINS = Place("/app/smtp", Kind.SMTP, "credentials/smtp.html", "SMTP credential")


@router.get(KEYS.path)
async def list_keys(request: Request, visitor: Developer) -> Response:
    """The API keys, and a form for one more."""
    return await _list(visitor, KEYS, after=request.query_params.get("after"))


@router.post(KEYS.path)
async def post_key(request: Request, visitor: Developer) -> Response:
    """Make an API key; its token is in this answer and nowhere else."""
    return await _make(request, visitor, KEYS)


@router.post(KEYS.path + "/{credential_id}/revoke")
async def post_revoke_key(credential_id: str, visitor: Developer) -> Response:
    """Revoke an API key, at once and for good."""
    return await _revoke(visitor, KEYS, credential_id)


@router.post(KEYS.path + "/{credential_id}/copies")
async def post_key_copies(credential_id: str, request: Request, visitor: Developer) -> Response:
    """Have what an API key sends go into Sent folders, or no longer."""
    return await _set_copies(request, visitor, KEYS, credential_id)


@router.post(KEYS.path + "/{credential_id}/change")
async def post_change_key(credential_id: str, request: Request, visitor: Developer) -> Response:
    """Give an API key another name or end."""
    return await _change(request, visitor, KEYS, credential_id)


@router.get(LOGINS.path)
async def list_logins(request: Request, visitor: Developer) -> Response:
    """The SMTP credentials, and a form for one more."""
    return await _list(visitor, LOGINS, after=request.query_params.get("after"))


@router.post(LOGINS.path)
async def post_login(request: Request, visitor: Developer) -> Response:
    """Make an SMTP credential; its password is in this answer and nowhere else."""
    return await _make(request, visitor, LOGINS)


@router.post(LOGINS.path + "/{credential_id}/revoke")
async def post_revoke_login(credential_id: str, visitor: Developer) -> Response:
    """Revoke an SMTP credential, at once and for good."""
    return await _revoke(visitor, LOGINS, credential_id)


@router.post(LOGINS.path + "/{credential_id}/copies")
async def post_login_copies(credential_id: str, request: Request, visitor: Developer) -> Response:
    """Have what an SMTP credential sends go into Sent folders, or no longer."""
    return await _set_copies(request, visitor, LOGINS, credential_id)


@router.post(LOGINS.path + "/{credential_id}/change")
async def post_change_login(credential_id: str, request: Request, visitor: Developer) -> Response:
    """Give an SMTP credential another name or end."""
    return await _change(request, visitor, LOGINS, credential_id)


async def _make(request: Request, visitor: Visitor, place: Place) -> Response:
    form = await read_form(request)
    try:
        async with visitor.parts.database.transaction() as connection:
            new = await _new_of(connection, form, visitor, place)
            make = changes.create_api_key if place.kind is Kind.API_KEY else changes.create_smtp_credential
            issued = await make(connection, visitor.account.id, new, visitor.now)
            action = f"{place.kind.value}_made"
            await audit.note(connection, visitor.actor(), action, visitor.now, name=issued.credential.name)
    except Refused as error:
        return await _list(visitor, place, form=form, faults=faults_by_field(error), status=422)
    return await _list(visitor, place, issued=issued)


async def _change(request: Request, visitor: Visitor, place: Place, credential_id: str) -> Response:
    wanted = id_of(PREFIXES[place.kind], credential_id, place.noun)
    form = await read_form(request)
    try:
        async with visitor.parts.database.transaction() as connection:
            found = await queries.get_credential(connection, visitor.account.id, place.kind, wanted)
            changed = await _apply(connection, form, visitor, found)
            await audit.note(connection, visitor.actor(), f"{place.kind.value}_changed", visitor.now, name=changed.name)
    except ValidationFailed as error:
        return visitor.redirect(place.path, error.message, "bad")
    until = f"ends on {end_text(changed.expires_at)}" if changed.expires_at else "does not end"
    return visitor.redirect(place.path, f"{changed.name} {until}.")


async def _apply(connection: AsyncConnection, form: Form, visitor: Visitor, found: Credential) -> Credential:
    """Change what differs from what the form was given. Raises: ValidationFailed, with every fault."""
    which = (connection, visitor.account.id, found.kind, found.id)
    name, end = form.get("name", found.name), _end_of(form, visitor)
    draft = to_draft_of(CredentialChange, {"name": name, "expires_at": end or None}, "forbid")
    if end == end_text(found.expires_at):
        draft.note(changes.name_faults(name))
        draft.end()
    else:
        expires_at = read_change(draft, visitor.now)
        found = await changes.set_expiry(*which, expires_at, visitor.now)
    return found if name == found.name else await changes.rename_credential(*which, name)


def _end_of(form: Form, visitor: Visitor) -> str:
    """The end that was typed, as a moment; as it was typed where it is none."""
    text = form.get("expires_at", "")
    try:
        return write_moment(parse_moment(text, now=visitor.now, zone=find_zone(form.get("time_zone", ""))))
    except MomentError:
        return text


async def _revoke(visitor: Visitor, place: Place, credential_id: str) -> Response:
    wanted = id_of(PREFIXES[place.kind], credential_id, place.noun)
    async with visitor.parts.database.transaction() as connection:
        found = await queries.get_credential(connection, visitor.account.id, place.kind, wanted)
        await changes.revoke_credential(connection, visitor.account.id, place.kind, wanted, visitor.now)
        action = f"{place.kind.value}_revoked"
        await audit.note(connection, visitor.actor(), action, visitor.now, name=found.name)
    return visitor.redirect(place.path, f"{found.name} is revoked: nobody gets in with it any more.")


async def _set_copies(request: Request, visitor: Visitor, place: Place, credential_id: str) -> Response:
    wanted = id_of(PREFIXES[place.kind], credential_id, place.noun)
    files_sent = (await read_form(request)).get("files_sent") == "on"
    async with visitor.parts.database.transaction() as connection:
        found = await changes.set_filing(connection, visitor.account.id, place.kind, wanted, files_sent=files_sent)
        await audit.note(connection, visitor.actor(), f"{place.kind.value}_changed", visitor.now, name=found.name)
    where = "goes into the Sent folder of the mailbox it is from" if files_sent else "goes into no Sent folder"
    return visitor.redirect(place.path, f"What {found.name} sends {where}.")


async def _new_of(connection: AsyncConnection, form: Form, visitor: Visitor, place: Place) -> NewCredential:
    """What the form asks for. Raises: ValidationFailed, with every fault."""
    named = {name: form[name] for name in ("name", "scope", "domain_id") if form.get(name)}
    named |= {"expires_at": _end_of(form, visitor)} if form.get("expires_at") else {}
    draft = to_draft_of(NewCredentialFields, {"name": ""} | named, "forbid")
    new = read_new(draft, place.kind, visitor.now, test=form.get("test") == "on")
    draft.note(await changes.list_faults(connection, visitor.account.id, place.kind, new, visitor.now))
    draft.end()
    return replace(new, files_sent=form.get("no_copies") != "on")


async def _list(
    visitor: Visitor, place: Place, *, after: str | None = None, status: int = 200, issued: Issued | None = None,
    **given: Any,
) -> Response:  # fmt: skip
    prefix = PREFIXES[place.kind]
    page = Cursor(MAX_LIMIT, from_text(prefix, after) if after else None)
    async with visitor.parts.database.reading() as connection:
        found = await queries.list_credentials(connection, visitor.account.id, place.kind, page)
        domains = (await list_domains(connection, visitor.account.id, Cursor(MAX_LIMIT))).data
    sender = next((f"hello@{one.name}" for one in domains if one.verified_at), "hello@your-domain.example")
    return await visitor.page(
        place.template,
        status=status,
        credentials=found.data,
        older=f"{place.path}?after={found.data[-1].public_id}" if found.has_more else "",
        domains={one.id: one for one in domains},
        domain_choices=[("", "Any domain of yours"), *((one.public_id, one.name) for one in domains)],
        issued=issued,
        snippets=_snippets(visitor, place, sender, issued),
        **given,
    )


def _snippets(visitor: Visitor, place: Place, sender: str, issued: Issued | None) -> dict[str, str]:
    if place.kind is Kind.API_KEY:
        return api_snippets(visitor.parts.settings, sender, issued.secret if issued else "hp_live_…")
    username = issued.credential.username if issued else "your-user-name"
    return smtp_snippets(visitor.parts.settings, sender, username or "", issued.secret if issued else "your-password")
