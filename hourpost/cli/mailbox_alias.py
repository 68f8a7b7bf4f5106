"""``hourpost mailbox alias``: further addresses of a mailbox."""

from __future__ import annotations

from typing import Annotated

import typer

from hourpost.cli.desk import Desk, at_desk
from hourpost.cli.mailbox_words import OfMailbox, change
from hourpost.cli.output import AsJson, OfAccount, print_object
from hourpost.cli.shapes import mailbox_shape
from hourpost.mailboxes.changes import add_alias, remove_alias
from hourpost.mailboxes.queries import Mailbox

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Further addresses that a mailbox gets mail for.")

Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="On a verified domain of the account.")]


@app.command()
def add(account: OfAccount, mailbox: OfMailbox, alias: Alias, as_json: AsJson = False) -> None:
    """Give a mailbox another address.

    Example: hourpost mailbox alias add --account Acme anna@acme.example a@acme.example
    """

    async def work(desk: Desk) -> Mailbox:
        now = desk.clock.now()
        return await change(
            desk, account, mailbox, lambda on, of, box: add_alias(on, of, box, alias, now), "alias_added"
        )

    print_object(mailbox_shape(at_desk(work)), as_json=as_json)


@app.command()
def remove(account: OfAccount, mailbox: OfMailbox, alias: Alias, as_json: AsJson = False) -> None:
    """Take an address away from a mailbox."""

    async def work(desk: Desk) -> Mailbox:
        return await change(
            desk, account, mailbox, lambda on, of, box: remove_alias(on, of, box, alias), "alias_removed"
        )

    print_object(mailbox_shape(at_desk(work)), as_json=as_json)
