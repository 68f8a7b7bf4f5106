"""``hourpost smtp-credential``: user names and passwords for the SMTP doors."""

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
from hourpost.credentials.changes import Issued, create_smtp_credential
from hourpost.credentials.queries import Kind, Scope

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="SMTP credentials: user names and passwords for ports 587 and 465."
)


@app.command()
def create(
    account: OfAccount,
    name: Annotated[str, typer.Option(help="What it is for.")] = "SMTP credential",
    test: Annotated[bool, typer.Option("--test", help="For tests: nothing leaves, nothing counts.")] = False,
    domain: DomainName = None,
    expires: Expiry = None,
    as_json: AsJson = False,
) -> None:
    """Create an SMTP credential and print its password, this once.

    Example: hourpost smtp-credential create --account Acme --name "the shop's mailer"
    """

    async def work(desk: Desk) -> Issued:
        wish = Wish(name, Scope.SENDING, test, domain, expires)
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            new = await wish.check(connection, found.id, desk.clock.now())
            issued = await create_smtp_credential(connection, found.id, new, desk.clock.now())
            await desk.note(connection, found.id, "smtp_made", name=issued.credential.name)
            return issued

    print_object(issued_shape(at_desk(work)), as_json=as_json)


@app.command("list")
def list_all(account: OfAccount, as_json: AsJson = False) -> None:
    """List the SMTP credentials of an account, without their passwords."""
    found = at_desk(lambda desk: list_issued(desk, account, Kind.SMTP))
    columns = ("id", "name", "username", "test", "files_sent", "last_used_at", "expires_at")
    empty = f"No SMTP credential yet: hourpost smtp-credential create --account {account}"
    print_list([credential_shape(one) for one in found], columns, as_json=as_json, empty=empty)


@app.command()
def change(  # one for each option, as Typer wants it
    account: OfAccount,
    credential: Annotated[str, typer.Argument(metavar="CREDENTIAL", help="smtp_…")],
    name: NewName = None,
    expires: Expiry = None,
    never: Never = False,
    as_json: AsJson = False,
) -> None:
    """Give an SMTP credential another name or end, at once; one that has ended goes on, one that is revoked does not.

    Example: hourpost smtp-credential change --account Acme smtp_… --expires "in 90 days"
    """
    wanted = Change(name, expires, never)
    changed = at_desk(lambda desk: change_issued(desk, account, Kind.SMTP, credential, wanted))
    print_object(credential_shape(changed), as_json=as_json)


@app.command()
def copies(
    account: OfAccount,
    credential: Annotated[str, typer.Argument(metavar="CREDENTIAL", help="smtp_…")],
    sent: SentWanted = True,
    as_json: AsJson = False,
) -> None:
    """Set whether what it sends goes into the Sent folder of the mailbox it is from.

    Example: hourpost smtp-credential copies --account Acme smtp_… --no-sent
    """
    changed = at_desk(lambda desk: file_sent(desk, account, Kind.SMTP, credential, wanted=sent))
    print_object(credential_shape(changed), as_json=as_json)


@app.command()
def revoke(
    account: OfAccount,
    credential: Annotated[str, typer.Argument(metavar="CREDENTIAL", help="smtp_…")],
    as_json: AsJson = False,
) -> None:
    """Revoke an SMTP credential, at once and for good."""
    at_desk(lambda desk: revoke_issued(desk, account, Kind.SMTP, credential))
    print_object({"object": "smtp_credential", "id": credential, "deleted": True}, as_json=as_json)
