"""What API keys and SMTP credentials are made from, in our words or Resend's, and how both are shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.web.drafts import Draft
from hourpost.credentials.changes import (
    NewCredential,
    expiry_faults,
    list_faults,
    name_faults,
    rename_credential,
    set_expiry,
    set_filing,
)
from hourpost.credentials.queries import Credential, Kind, get_credential
from hourpost.domains.queries import PREFIX as DOMAIN
from hourpost.errors import Fault, Forbidden, ValidationFailed
from hourpost.rules.ids import from_text, to_text
from hourpost.rules.moments import MomentError, parse_moment
from hourpost.rules.submission import Standing

_PERMISSIONS = {"full_access": "full", "sending_access": "sending"}


class NewCredentialFields(BaseModel):
    """What a credential may do."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=1000, description="For people: where it is used.")
    scope: Literal["full", "sending", "reading"] | None = Field(
        None, description="`full` is the default; `sending` may send and see what it sent; `reading` changes nothing."
    )
    permission: Literal["full_access", "sending_access"] | None = Field(None, description="`scope` in Resend's words.")
    domain_id: str | None = Field(None, description="Restricts it to one domain of the account, and what that has.")
    expires_at: str | None = Field(
        None, description="From then on it is refused. A key that ends makes none that outlives it."
    )
    files_sent: bool = Field(True, description="What it sends is filed into the Sent folder of the sender's mailbox.")


class CredentialChange(BaseModel):
    """What may change of a credential; what is absent stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"expires_at": "in 90 days"}})

    name: str | None = Field(None, max_length=1000)
    files_sent: bool | None = Field(None, description="What it sends is filed into the sender's Sent folder.")
    expires_at: str | None = Field(
        None,
        min_length=1,
        description="From then on it is refused; null: it does not end. One that has ended goes on again.",
    )
    id: str | None = Field(None, description="Ignored: the address names it.")


async def to_new(
    connection: AsyncConnection, draft: Draft[Any], caller: Standing, kind: Kind, now: datetime
) -> NewCredential:
    """The credential that ``draft`` asks for, as ``caller`` may make it. Raises: ValidationFailed, Forbidden."""
    new = read_new(draft, kind, now, test=getattr(draft.fields, "test", False))
    draft.note(await list_faults(connection, caller.account_id, kind, new, now))
    with draft.noting():
        new = within_reach(new, caller)
    draft.end()
    return new


def read_new(draft: Draft[Any], kind: Kind, now: datetime, *, test: bool) -> NewCredential:
    """The credential that ``draft`` describes; what is wrong with its values is noted there."""
    fields: NewCredentialFields = draft.fields
    default = "sending" if kind is Kind.SMTP else "full"
    asked = _PERMISSIONS.get(fields.permission or "")
    if fields.scope is not None and asked not in (None, fields.scope):
        draft.note([Fault("/permission", f"`permission` says `{asked}` and `scope` says `{fields.scope}`: give one")])
    scope = fields.scope or asked or default
    return NewCredential(fields.name, scope, test, _domain_in(draft), _end_in(draft, now), fields.files_sent)


def _domain_in(draft: Draft[Any]) -> UUID | None:
    text = draft.fields.domain_id
    domain_id = from_text(DOMAIN, text) if text else None
    if text and domain_id is None:
        draft.note([Fault("/domain_id", "`domain_id` must be the id of a domain, such as dom_…")])
    return domain_id


def _end_in(draft: Draft[Any], now: datetime) -> datetime | None:
    text = draft.fields.expires_at
    try:
        return parse_moment(text, now=now) if text else None
    except MomentError as error:
        draft.note([Fault("/expires_at", f"`expires_at`: {error}")])
        return None


def within_reach(new: NewCredential, caller: Standing) -> NewCredential:
    """The credential as ``caller`` may make it: it reaches no further than the caller, and lives no longer.

    A restriction to one domain and an end are handed on where nothing is asked for. Raises: Forbidden.
    """
    faults = []
    if caller.test and not new.test:
        faults.append(Fault("/test", "A test key makes test keys only: give `test: true`."))
    own = caller.only_domain_id
    if own is not None and new.domain_id not in (None, own):
        faults.append(Fault("/domain_id", "This API key is for one domain, and makes credentials of that alone."))
    expires_at = new.expires_at or caller.expires_at
    _refuse([*faults, *_outliving(caller, expires_at)])
    return replace(new, domain_id=own or new.domain_id, expires_at=expires_at)


def _outliving(caller: Standing, expires_at: datetime | None) -> list[Fault]:
    """The fault of a credential that would last longer than its maker."""
    own = caller.expires_at
    if own is None or (expires_at is not None and expires_at <= own):
        return []
    until = f"{own:%Y-%m-%dT%H:%M:%SZ}"
    return [Fault("/expires_at", f"This API key ends at {until}, and makes nothing that lives longer.")]


def _refuse(faults: list[Fault]) -> None:
    """Refuse what the caller may not make. Raises: Forbidden."""
    if faults:
        raise Forbidden("restricted_api_key", " ".join(fault.detail for fault in faults), faults=faults)


async def change(
    connection: AsyncConnection,
    caller: Standing,
    kind: Kind,
    credential_id: UUID,
    draft: Draft[CredentialChange],
    now: datetime,
) -> Credential:
    """Change what is named. Raises: NotFound, ValidationFailed, Forbidden."""
    expires_at = read_change(draft, now, caller)
    fields = draft.fields
    changes_end = "expires_at" in fields.model_fields_set
    if fields.name is None and fields.files_sent is None and not changes_end:
        words = "`name`, `files_sent` or `expires_at` is required"
        raise ValidationFailed([Fault("/name", words, missing=True)])
    which = (connection, caller.account_id, kind, credential_id)
    changed = await get_credential(*which, caller.reach)
    if fields.files_sent is not None:
        changed = await set_filing(*which, files_sent=fields.files_sent)
    if changes_end:
        changed = await set_expiry(*which, expires_at, now)
    if fields.name is not None:
        changed = await rename_credential(*which, fields.name)
    return changed


def read_change(draft: Draft[CredentialChange], now: datetime, caller: Standing | None = None) -> datetime | None:
    """The end that is asked for, where one is; no later than the caller's own, so that no key makes itself last.

    Raises: ValidationFailed with all that is wrong with the change, Forbidden.
    """
    expires_at = _end_in(draft, now)
    draft.note(expiry_faults(expires_at, now))
    if draft.fields.name is not None:
        draft.note(name_faults(draft.fields.name))
    if caller is not None and "expires_at" in draft.fields.model_fields_set:
        with draft.noting():
            _refuse(_outliving(caller, expires_at))
    draft.end()
    return expires_at


def view(credential: Credential) -> dict[str, Any]:
    """A credential without its secret."""
    shown = {
        "object": credential.kind.value,
        "id": credential.public_id,
        "name": credential.name,
        "hint": credential.hint,
        "scope": credential.scope,
        "test": credential.test,
        "files_sent": credential.files_sent,
        "domain_id": to_text(DOMAIN, credential.domain_id) if credential.domain_id else None,
        "expires_at": credential.expires_at,
        "last_used_at": credential.last_used_at,
        "created_at": credential.created_at,
    }
    return shown if credential.username is None else shown | {"username": credential.username}
