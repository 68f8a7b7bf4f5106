"""``hourpost key``: API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from hourpost.accounts.queries import get_named_account
from hourpost.cli.desk import Desk, at_desk
from hourpost.cli.issuing import (
    Change,
    DomainName,
    Expiry,
    Never,
    NewName,
    SentWanted,
    Wish,
    change_issued,
    file_sent,
    list_issued,
    revoke_issued,
)
from hourpost.cli.output import AsJson, OfAccount, print_list, print_object
from hourpost.cli.shapes import credential_shape, issued_shape
from hourpost.credentials.changes import Issued, create_api_key
from hourpost.credentials.queries import Kind, Scope

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="API keys: what a program shows to send and to read."
)


@app.command()
def create(  # noqa: PLR0913, PLR0917  # one for each option, as Typer wants it
    account: OfAccount,
    name: Annotated[str, typer.Option(help="What it is for.")] = "API key",
    test: Annotated[bool, typer.Option("--test", help="A test key: nothing leaves, nothing counts.")] = False,
    scope: Annotated[Scope, typer.Option(help="What it may do.")] = Scope.FULL,
    domain: DomainName = None,
    expires: Expiry = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key and print its token, this once.

    Example: hourpost key create --account Acme --scope sending --domain acme.example --expires "in 90 days"
    """

    async def work(desk: Desk) -> Issued:
        wish = Wish(name, scope, test, domain, expires)
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            new = await wish.check(connection, found.id, desk.clock.now())
            issued = await create_api_key(connection, found.id, new, desk.clock.now())
            await desk.note(connection, found.id, "api_key_made", name=issued.credential.name)
            return issued

    print_object(issued_shape(at_desk(work)), as_json=as_json)


@app.command("list")
def list_all(account: OfAccount, as_json: AsJson = False) -> None:
    """List the API keys of an account, without their tokens."""
    found = at_desk(lambda desk: list_issued(desk, account, Kind.API_KEY))
    columns = ("id", "name", "hint", "scope", "test", "files_sent", "last_used_at", "expires_at")
    empty = f"No key yet: hourpost key create --account {account}"
    print_list([credential_shape(one) for one in found], columns, as_json=as_json, empty=empty)


@app.command()
def change(  # one for each option, as Typer wants it
    account: OfAccount,
    key: Annotated[str, typer.Argument(metavar="KEY", help="key_…")],
    name: NewName = None,
    expires: Expiry = None,
    never: Never = False,
    as_json: AsJson = False,
) -> None:
    """Give an API key another name or end, at once; one that has ended goes on, one that is revoked does not.

    Example: hourpost key change --account Acme key_… --expires "in 90 days"
    """
    wanted = Change(name, expires, never)
    changed = at_desk(lambda desk: change_issued(desk, account, Kind.API_KEY, key, wanted))
    print_object(credential_shape(changed), as_json=as_json)


@app.command()
def copies(
    account: OfAccount,
    key: Annotated[str, typer.Argument(metavar="KEY", help="key_…")],
    sent: SentWanted = True,
    as_json: AsJson = False,
) -> None:
    """Set whether what it sends goes into the Sent folder of the mailbox it is from.

    Example: hourpost key copies --account Acme key_… --no-sent
    """
    changed = at_desk(lambda desk: file_sent(desk, account, Kind.API_KEY, key, wanted=sent))
    print_object(credential_shape(changed), as_json=as_json)


@app.command()
def revoke(
    account: OfAccount, key: Annotated[str, typer.Argument(metavar="KEY", help="key_…")], as_json: AsJson = False
) -> None:
    """Revoke an API key, at once and for good."""
    at_desk(lambda desk: revoke_issued(desk, account, Kind.API_KEY, key))
    print_object({"object": "api_key", "id": key, "deleted": True}, as_json=as_json)
