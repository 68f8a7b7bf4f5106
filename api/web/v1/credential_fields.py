"""What API keys and SMTP credentials are made from, in our words or Resend's, and how both are shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.credentials.changes import NewCredential, rename_credential, set_filing
from hourpost.credentials.queries import Credential, Kind
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
    domain_id: str | None = Field(None, description="Restricts it to one domain of the account.")
    expires_at: str | None = Field(None, description="From then on it is refused.")
    files_sent: bool = Field(True, description="What it sends is filed into the Sent folder of the sender's mailbox.")


class Rename(BaseModel):
    """Another name, or whether it files what it sends."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "the shop's server"}})

    name: str | None = Field(None, max_length=1000)
    files_sent: bool | None = Field(None, description="What it sends is filed into the sender's Sent folder.")
    id: str | None = Field(None, description="Ignored: the address names it.")


RENAME = TypeAdapter(Rename)


def to_new(fields: NewCredentialFields, now: datetime, *, default_scope: str, test: bool = False) -> NewCredential:
    """The credential to be made. Raises: ValidationFailed."""
    faults: list[Fault] = []
    domain_id = from_text(DOMAIN, fields.domain_id) if fields.domain_id else None
    if fields.domain_id and domain_id is None:
        faults.append(Fault("/domain_id", "`domain_id` must be the id of a domain, such as dom_…"))
    expires_at = None
    try:
        expires_at = parse_moment(fields.expires_at, now=now) if fields.expires_at else None
    except MomentError as error:
        faults.append(Fault("/expires_at", f"`expires_at`: {error}"))
    if faults:
        raise ValidationFailed(faults)
    scope = fields.scope or _PERMISSIONS.get(fields.permission or "", default_scope)
    return NewCredential(fields.name, scope, test, domain_id, expires_at, fields.files_sent)


def within_reach(new: NewCredential, caller: Standing) -> NewCredential:
    """The credential as ``caller`` may make it: one that is for one domain hands on that restriction.

    Raises: Forbidden when another domain is asked for.
    """
    own = caller.only_domain_id
    if own is None or new.domain_id == own:
        return new
    if new.domain_id is None:
        return replace(new, domain_id=own)
    detail = "This API key is for one domain, and makes credentials for that domain only."
    raise Forbidden("restricted_api_key", detail, faults=[Fault("/domain_id", detail)])


async def change(
    connection: AsyncConnection, account_id: UUID, kind: Kind, credential_id: UUID, fields: Rename
) -> Credential:
    """Change what is named. Raises: NotFound, ValidationFailed."""
    if fields.name is None and fields.files_sent is None:
        raise ValidationFailed([Fault("/name", "`name` or `files_sent` is required", missing=True)])
    if fields.files_sent is not None:
        changed = await set_filing(connection, account_id, kind, credential_id, files_sent=fields.files_sent)
    if fields.name is not None:
        changed = await rename_credential(connection, account_id, kind, credential_id, fields.name)
    return changed


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
