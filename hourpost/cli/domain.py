"""``hourpost domain``: domains that accounts send from."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any

import typer

from hourpost.accounts.queries import get_named_account
from hourpost.cli.desk import Desk, at_desk
from hourpost.cli.output import AsJson, OfAccount, print_list, print_object, read_all
from hourpost.cli.shapes import domain_shape
from hourpost.domains.changes import add_domain, delete_domain, prepare_domain
from hourpost.domains.mail_servers import NOT_CHECKED, list_mail_records, mail_servers
from hourpost.domains.queries import Domain, get_named_domain, list_domains
from hourpost.domains.verification import Verifier
from hourpost.errors import Refused
from hourpost.gateways.dns import ResolverDns

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Domains: nobody sends from one that is not verified."
)

_NOT_YET = (
    "The ownership record is not seen yet: publish it where the domain's DNS is kept, and verify again; "
    "new records take from minutes to an hour to be seen."
)

DomainArgument = Annotated[str, typer.Argument(metavar="DOMAIN", help="Its name, or its id (dom_…).")]


@app.command()
def add(
    account: OfAccount,
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="Its name.")],
    as_json: AsJson = False,
) -> None:
    """Add a domain and print the DNS records to publish.

    Example: hourpost domain add --account Acme acme.example
    """

    async def work(desk: Desk) -> dict[str, Any]:
        async with desk.database.reading() as connection:
            found = await get_named_account(connection, account)
        new = await prepare_domain(domain, await desk.cipher())
        async with desk.database.transaction() as connection:
            added = await add_domain(connection, found.id, new, desk.clock.now())
            await desk.note(connection, found.id, "domain_added", name=added.name)
            return _shape(desk, added)

    shape = at_desk(work)
    _print(shape, as_json)
    if not as_json:
        if any(record["type"] == "MX" and _is_address(record["value"]) for record in shape["records"]):
            typer.echo("\nSet HOURPOST_HOSTNAME first: DNS takes no address where a mail server is named.", err=True)
        typer.echo(f"\nPublish these, then: hourpost domain verify --account {account!r} {domain}", err=True)


@app.command()
def verify(account: OfAccount, domain: DomainArgument, as_json: AsJson = False) -> None:
    """Look the records of a domain up; exits with 1 while its ownership is not proved.

    *.test, *.example and *.localhost verify by themselves under `hourpost up`.
    """

    async def work(desk: Desk) -> dict[str, Any]:
        async with desk.database.reading() as connection:
            found = await get_named_account(connection, account)
            domain_id = (await get_named_domain(connection, found.id, domain)).id
        return _shape(desk, await _verifier(desk).verify(found.id, domain_id))

    verified = at_desk(work)
    _print(verified, as_json)
    if verified["status"] != "verified":
        if not as_json:
            typer.echo(f"\n{_NOT_YET}", err=True)
        raise typer.Exit(1)


@app.command()
def show(account: OfAccount, domain: DomainArgument, as_json: AsJson = False) -> None:
    """Show a domain with its records."""

    async def work(desk: Desk) -> dict[str, Any]:
        async with desk.database.reading() as connection:
            found = await get_named_account(connection, account)
            return _shape(desk, await get_named_domain(connection, found.id, domain))

    _print(at_desk(work), as_json)


@app.command("list")
def list_all(account: OfAccount, as_json: AsJson = False) -> None:
    """List the domains of an account."""

    async def work(desk: Desk) -> list[Domain]:
        async with desk.database.reading() as connection:
            found = await get_named_account(connection, account)
            return await read_all(lambda cursor: list_domains(connection, found.id, cursor), lambda domain: domain.id)

    shapes = [domain_shape(domain) for domain in at_desk(work)]
    empty = f"No domain yet: hourpost domain add --account {account!r} acme.example"
    print_list(shapes, ("id", "name", "status", "signs", "last_checked_at"), as_json=as_json, empty=empty)


@app.command()
def delete(account: OfAccount, domain: DomainArgument, as_json: AsJson = False) -> None:
    """Delete a domain, with its keys and the credentials that were restricted to it."""

    async def work(desk: Desk) -> dict[str, Any]:
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            gone = await get_named_domain(connection, found.id, domain)
            await delete_domain(connection, found.id, gone.id, desk.clock.now())
            await desk.note(connection, found.id, "domain_deleted", name=gone.name)
        return {"object": "domain", "id": gone.public_id, "name": gone.name, "deleted": True}

    print_object(at_desk(work), as_json=as_json)


def _is_address(host: str) -> bool:
    try:
        ip_address(host.rstrip("."))
    except ValueError:
        return False
    return True


def _verifier(desk: Desk) -> Verifier:
    try:
        dns = ResolverDns(desk.settings.dns_servers)
    except ValueError as error:
        raise Refused(f"HOURPOST_DNS_SERVERS: {error}") from error
    return Verifier(
        desk.database, dns, desk.clock, trusts_reserved=desk.settings.embedded, servers=mail_servers(desk.settings)
    )


def _shape(desk: Desk, domain: Domain) -> dict[str, Any]:
    """The domain with all its records, those of mailboxes too."""
    shape = domain_shape(domain)
    for_mailboxes = list_mail_records(domain.name, mail_servers(desk.settings), domain.mail_records_seen)
    return shape | {"records": shape["records"] + [record.to_dict() for record in for_mailboxes]}


def _print(shape: dict[str, Any], as_json: bool) -> None:
    print_object(shape, as_json=as_json)
    if not as_json:
        for record in shape["records"]:
            # One line for each value, however long: it is to be copied
            status = _WORDS.get(record["status"], record["status"])
            typer.echo(f"\n{record['record']} ({record['type']}, {status})")
            typer.echo(f"  name   {record['name']}\n  value  {record['value']}")
            if "priority" in record:
                typer.echo(f"  priority  {record['priority']}")


_WORDS = {NOT_CHECKED: "for mailboxes"}
