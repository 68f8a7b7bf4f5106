"""``hourpost inbound-route``: addresses of an account whose mail is posted to a URL."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hourpost.accounts.queries import get_named_account
from hourpost.cli.desk import Desk, at_desk
from hourpost.cli.output import AsJson, OfAccount, print_list, print_object, read_all
from hourpost.errors import NotFound
from hourpost.gateways.outgoing import allowed_networks
from hourpost.inbound import changes
from hourpost.inbound.arrivals import ROUTE_PREFIX
from hourpost.inbound.changes import IssuedRoute
from hourpost.inbound.queries import StoredRoute, get_route, list_routes
from hourpost.rules.ids import from_text, to_text

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Addresses whose mail is posted to a URL.")

Pattern = Annotated[str, typer.Argument(help="support@acme.com, or *@acme.com for the rest of the domain.")]
Url = Annotated[str, typer.Argument(metavar="URL", help="Reached by https, on the open internet.")]


@app.command()
def create(account: OfAccount, pattern: Pattern, url: Url, as_json: AsJson = False) -> None:
    """Have mail for an address posted to a URL, and print the secret that signs it.

    Example: hourpost inbound-route create --account Acme support@acme.com https://acme.example/inbound
    """

    async def work(desk: Desk) -> IssuedRoute:
        new = changes.check_route(pattern, url, allowed_networks(desk.settings))
        cipher = await desk.cipher()
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            made = await changes.create_route(connection, found.id, new, cipher, desk.clock.now())
            await desk.note(connection, found.id, "route_added", name=made.route.pattern)
            return made

    made = at_desk(work)
    print_object(_shape(made.route) | {"signing_secret": made.secret}, as_json=as_json)


@app.command("list")
def list_all(account: OfAccount, as_json: AsJson = False) -> None:
    """List the routes of an account."""

    async def work(desk: Desk) -> list[StoredRoute]:
        async with desk.database.reading() as connection:
            found = await get_named_account(connection, account)
            return await read_all(lambda cursor: list_routes(connection, found.id, cursor), lambda one: one.id)

    empty = f"No route yet: hourpost inbound-route create --account {account!r} support@acme.example https://you.example/mail"
    columns = ("id", "pattern", "url", "webhook_id")
    print_list([_shape(one) for one in at_desk(work)], columns, as_json=as_json, empty=empty)


@app.command()
def delete(
    account: OfAccount, route: Annotated[str, typer.Argument(metavar="ROUTE", help="rte_…")], as_json: AsJson = False
) -> None:
    """End a route. The mail that came by it stays."""

    async def work(desk: Desk) -> None:
        wanted = from_text(ROUTE_PREFIX, route)
        if wanted is None:
            raise NotFound(f"There is no route {route[:60]!a}.")
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            gone = await get_route(connection, found.id, wanted)
            await changes.delete_route(connection, found.id, wanted)
            await desk.note(connection, found.id, "route_deleted", name=gone.pattern)

    at_desk(work)
    print_object({"object": "inbound_route", "id": route, "deleted": True}, as_json=as_json)


def _shape(route: StoredRoute) -> dict[str, Any]:
    return {
        "object": "inbound_route",
        "id": route.public_id,
        "pattern": route.pattern,
        "url": route.url,
        "webhook_id": to_text("whk", route.webhook_id),
        "created_at": route.created_at,
    }
