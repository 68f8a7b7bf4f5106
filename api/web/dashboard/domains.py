"""Domains: adding one, the records that prove it, and letting it go."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import faults_by_field, read_form
from api.web.dashboard.visitors import Developer, Reader, Visitor
from api.web.dependencies import id_of
from hourpost.accounts import audit
from hourpost.domains import changes, queries
from hourpost.domains.mail_servers import list_mail_records, mail_servers
from hourpost.domains.queries import Status
from hourpost.domains.records import list_records
from hourpost.domains.verification import Verifier
from hourpost.errors import Refused
from hourpost.pages import MAX_LIMIT, Cursor
from hourpost.rules.ids import from_text

router = APIRouter()

PATH = "/app/domains"
TONES = {Status.NOT_STARTED: "idle", Status.PENDING: "warn", Status.VERIFIED: "good", Status.FAILED: "bad"}
_FOR = {
    "_imaps": "IMAP with TLS",
    "_submissions": "SMTP with TLS",
    "_imap": "IMAP with STARTTLS",
    "_submission": "SMTP with STARTTLS",
    "_pop3s": "POP3 with TLS",
    "_pop3": "POP3 with STARTTLS",
    "_autodiscover": "Outlook's set-up",
}
"""What a record for mailboxes is for, by how its name begins."""


@router.get(PATH)
async def list_page(request: Request, visitor: Reader) -> Response:
    """All domains, and a form for one more."""
    return await _list(visitor, request.query_params.get("after"))


@router.post(PATH)
async def post_domain(request: Request, visitor: Developer) -> Response:
    """Add a domain and go on to its records."""
    form = await read_form(request)
    try:
        new = await changes.prepare_domain(form.get("name", ""), visitor.parts.cipher)
        async with visitor.parts.database.transaction() as connection:
            domain = await changes.add_domain(connection, visitor.account.id, new, visitor.now)
            await audit.note(connection, visitor.actor(), "domain_added", visitor.now, name=domain.name)
    except Refused as error:
        return await _list(visitor, None, form, faults_by_field(error), status=422)
    return visitor.redirect(f"{PATH}/{domain.public_id}", "The domain is added. Publish its records, then verify it.")


@router.get(PATH + "/{domain_id}")
async def get_page(domain_id: str, visitor: Reader) -> Response:
    """One domain with its records."""
    async with visitor.parts.database.reading() as connection:
        domain = await queries.get_domain(connection, visitor.account.id, _id(domain_id))
    servers = mail_servers(visitor.parts.settings)
    mail_records = list_mail_records(domain.name, servers, domain.mail_records_seen)
    return await visitor.page(
        "domains/one.html",
        domain=domain,
        records=list_records(domain),
        mail_records=[(_FOR.get(one.name.partition(".")[0], "Incoming mail"), one) for one in mail_records],
        tones=TONES,
    )


@router.post(PATH + "/{domain_id}/verify")
async def post_verify(domain_id: str, visitor: Developer) -> Response:
    """Look the records up now."""
    parts = visitor.parts
    settings = parts.settings
    verifier = Verifier(
        parts.database, parts.dns, parts.clock, trusts_reserved=settings.embedded, servers=mail_servers(settings)
    )
    domain = await verifier.verify(visitor.account.id, _id(domain_id))
    where = f"{PATH}/{domain_id}"
    if domain.status is Status.VERIFIED:
        return visitor.redirect(where, "The domain is verified: you can send from it.")
    message = "The ownership record was not found yet. New records can take from minutes to an hour to be seen."
    return visitor.redirect(where, message, "warn")


@router.post(PATH + "/{domain_id}/signatures")
async def post_signatures(domain_id: str, request: Request, visitor: Developer) -> Response:
    """Turn the second signature on or off; another record is then to be published, or none any more."""
    wanted = (await read_form(request)).get("signs_ed25519") == "on"
    async with visitor.parts.database.transaction() as connection:
        before = await queries.get_domain(connection, visitor.account.id, _id(domain_id))
        if before.signs_ed25519 is not wanted:
            await changes.set_signatures(connection, visitor.account.id, before.id, signs_ed25519=wanted)
            detail = {"name": before.name, "ed25519": "on" if wanted else "off"}
            await audit.note(connection, visitor.actor(), "domain_changed", visitor.now, **detail)
    message = "Its mail is signed by RSA alone; the record of the second key may go in an hour."
    if wanted:
        message = "There is one more DKIM record. The second signature begins within minutes of when it is seen."
    return visitor.redirect(f"{PATH}/{domain_id}", message)


@router.post(PATH + "/{domain_id}/delete")
async def post_delete(domain_id: str, visitor: Developer) -> Response:
    """Delete it with its keys."""
    async with visitor.parts.database.transaction() as connection:
        domain = await queries.get_domain(connection, visitor.account.id, _id(domain_id))
        await changes.delete_domain(connection, visitor.account.id, domain.id, visitor.now)
        await audit.note(connection, visitor.actor(), "domain_deleted", visitor.now, name=domain.name)
    return visitor.redirect(PATH, f"{domain.name} is deleted.")


async def _list(
    visitor: Visitor,
    after: str | None,
    form: dict[str, str] | None = None,
    faults: dict[str, str] | None = None,
    *,
    status: int = 200,
) -> Response:
    place = Cursor(MAX_LIMIT, from_text(queries.PREFIX, after) if after else None)
    async with visitor.parts.database.reading() as connection:
        found = await queries.list_domains(connection, visitor.account.id, place)
    older = f"{PATH}?after={found.data[-1].public_id}" if found.has_more else ""
    return await visitor.page(
        "domains/list.html",
        status=status,
        domains=found.data,
        older=older,
        tones=TONES,
        form=form or {},
        faults=faults or {},
    )


def _id(domain_id: str) -> UUID:
    return id_of(queries.PREFIX, domain_id, "domain")
