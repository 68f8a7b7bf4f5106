"""Domains: adding them, proving that they are one's own, and the records for that."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request

from api.web.answers import Json, list_of
from api.web.bodies import read_fields
from api.web.dependencies import BoundedManager, DomainManager, Manager, PageAsked, ThePartsOf, id_of, paging_of
from api.web.drafts import read_draft
from api.web.ledger import TheLedger
from api.web.parts import Parts
from api.web.v1 import account_shapes as shapes
from api.web.v1.documented import body, route
from api.web.v1.shapes import Deleted
from hourpost.domains import changes, queries
from hourpost.domains.mail_servers import list_mail_records, mail_servers
from hourpost.domains.names import is_reserved
from hourpost.domains.queries import Domain, Status
from hourpost.domains.records import list_records
from hourpost.domains.verification import Verifier
from hourpost.errors import NotFound
from hourpost.rules.submission import Standing

router = APIRouter(prefix="/domains", tags=["domains"])

_Paging = Annotated[PageAsked, paging_of(queries.PREFIX)]


_SIGNS = (
    "Whether mail is signed by a second key too, Ed25519 (RFC 8463), beside RSA. `records` then holds one more to"
    " publish, and the second signature begins when it is seen."
)


class NewDomain(BaseModel):
    """A domain to send from."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "acme.test"}})

    name: str = Field(max_length=1000, description="Such as `acme.example`.")
    signs_ed25519: bool | None = Field(None, description=_SIGNS + " Absent or null: as the account has it.")


class DomainChange(BaseModel):
    """What may change of a domain. What is absent stays; fields of other services are ignored at the root only."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"signs_ed25519": True}})

    id: str | None = Field(None, description="Ignored: the address names the domain.")
    signs_ed25519: bool | None = Field(None, description=_SIGNS + " Absent or null: nothing changes.")


CHANGE = TypeAdapter(DomainChange)


@router.post("", **route("create_domain", shapes.DomainShape, 201, openapi_extra=body("NewDomain")))
async def create_domain(request: Request, caller: Manager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Add a domain. The answer holds the DNS records to publish; then verify it."""
    draft = await read_draft(request, NewDomain)
    with draft.noting():
        changes.read_name(draft.fields.name)
    fields = draft.end()
    new = await changes.prepare_domain(fields.name, parts.cipher, signs_ed25519=fields.signs_ed25519)
    async with parts.database.transaction() as connection:
        domain = await changes.add_domain(connection, caller.account_id, new, parts.clock.now())
        await ledger.note(connection, caller, "domain_added", name=domain.name)
    return Json(_view(domain, parts), 201, {"Location": f"/v1/domains/{domain.public_id}"})


@router.get("", **route("list_domains", shapes.DomainsListed))
async def list_domains(caller: BoundedManager, parts: ThePartsOf, paging: _Paging) -> Response:
    """List the domains of the account, newest first."""
    page = paging.cursor(queries.PREFIX)
    async with parts.database.reading() as connection:
        found = await queries.list_domains(connection, caller.account_id, page, caller.reach)
    return list_of(found.map(lambda one: _view(one, parts)))


@router.get("/{domain_id}", **route("get_domain", shapes.DomainShape))
async def get_domain(domain_id: str, caller: BoundedManager, parts: ThePartsOf) -> Response:
    """Get a domain with its records and whether each was seen."""
    wanted = _id_of(domain_id, caller)
    async with parts.database.reading() as connection:
        return Json(_view(await queries.get_domain(connection, caller.account_id, wanted), parts))


@router.patch("/{domain_id}", **route("update_domain", shapes.DomainShape, openapi_extra=body("DomainChange")))
async def update_domain(
    domain_id: str, request: Request, caller: DomainManager, parts: ThePartsOf, ledger: TheLedger
) -> Response:
    """Change how mail of a domain is signed; workers know within five minutes. The answer holds the records."""
    wanted = _id_of(domain_id, caller)
    asked = (await read_fields(request, CHANGE)).signs_ed25519
    async with parts.database.transaction() as connection:
        domain = await queries.get_domain(connection, caller.account_id, wanted)
        if asked not in (None, domain.signs_ed25519):
            domain = await changes.set_signatures(connection, caller.account_id, wanted, signs_ed25519=bool(asked))
            await ledger.note(connection, caller, "domain_changed", name=domain.name, ed25519="on" if asked else "off")
    return Json(_view(domain, parts))


@router.post("/{domain_id}/verify", **route("verify_domain", shapes.DomainShape))
async def verify_domain(domain_id: str, caller: DomainManager, parts: ThePartsOf) -> Response:
    """Look the records up now. Without a body; ask again after you have published them."""
    wanted = _id_of(domain_id, caller)
    settings = parts.settings
    verifier = Verifier(
        parts.database, parts.dns, parts.clock, trusts_reserved=settings.embedded, servers=mail_servers(settings)
    )
    return Json(_view(await verifier.verify(caller.account_id, wanted), parts))


@router.delete("/{domain_id}", **route("delete_domain", Deleted))
async def delete_domain(domain_id: str, caller: Manager, parts: ThePartsOf, ledger: TheLedger) -> Response:
    """Delete a domain with its keys, and the credentials that were restricted to it.

    What has not left from it yet ends as `failed`.
    """
    wanted = _id_of(domain_id, caller)
    async with parts.database.transaction() as connection:
        domain = await queries.get_domain(connection, caller.account_id, wanted)
        await changes.delete_domain(connection, caller.account_id, wanted, parts.clock.now())
        await ledger.note(connection, caller, "domain_deleted", name=domain.name)
    return Json({"object": "domain", "id": domain_id, "deleted": True})


def _id_of(text: str, caller: Standing) -> UUID:
    """The id of a domain within the caller's reach. Raises: NotFound."""
    wanted = id_of(queries.PREFIX, text, "domain")
    if caller.only_domain_id not in (None, wanted):
        raise NotFound("There is no such domain.")
    return wanted


def _view(domain: Domain, parts: Parts) -> dict[str, Any]:
    servers = mail_servers(parts.settings)
    records = [*list_records(domain), *list_mail_records(domain.name, servers, domain.mail_records_seen)]
    return {
        "object": "domain",
        "id": domain.public_id,
        "name": domain.name,
        "status": domain.status,
        "created_at": domain.created_at,
        "verified_at": domain.verified_at,
        "last_checked_at": domain.last_checked_at,
        "region": None,
        "capabilities": {"sending": "enabled" if domain.status is Status.VERIFIED else "disabled"}
        | {"receiving": "enabled" if domain.status is Status.VERIFIED else "disabled"},
        "signs_ed25519": domain.signs_ed25519,
        "records": [record.to_dict() for record in records],
        "is_reserved": is_reserved(domain.name),
    }
