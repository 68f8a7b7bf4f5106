"""``hourpost mailbox app-password``: random passwords, one for each device."""

from __future__ import annotations

from typing import Annotated

import typer

from hourpost.cli.desk import Desk, at_desk
from hourpost.cli.mailbox_words import OfMailbox, change
from hourpost.cli.output import AsJson, OfAccount, print_list, print_object
from hourpost.cli.shapes import app_password_shape
from hourpost.errors import NotFound
from hourpost.mailboxes.app_passwords import (
    PREFIX,
    SCOPES,
    AppPassword,
    IssuedAppPassword,
    create_app_password,
    list_app_passwords,
    revoke_app_password,
)
from hourpost.rules.ids import from_text

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Random passwords of a mailbox, one for each device."
)


@app.command()
def create(
    account: OfAccount,
    mailbox: OfMailbox,
    name: Annotated[str, typer.Option(help="The device it is for.")] = "app password",
    scope: Annotated[list[str] | None, typer.Option(help=f"{', '.join(SCOPES)}; may be repeated; else all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create an app password and print it, this once.

    Example: hourpost mailbox app-password create --account Acme anna@acme.example --name phone --scope imap
    """

    async def work(desk: Desk) -> IssuedAppPassword:
        now, scopes = desk.clock.now(), scope or list(SCOPES)
        act = "app_password_made"
        return await change(
            desk, account, mailbox, lambda on, of, box: create_app_password(on, (of, box), name, scopes, now), act
        )

    issued = at_desk(work)
    print_object(app_password_shape(issued.app_password) | {"password": issued.secret}, as_json=as_json)


@app.command("list")
def list_all(account: OfAccount, mailbox: OfMailbox, as_json: AsJson = False) -> None:
    """List the app passwords of a mailbox, without their secrets."""

    async def work(desk: Desk) -> list[AppPassword]:
        return await change(desk, account, mailbox, list_app_passwords)

    columns = ("id", "name", "hint", "scopes", "last_used_at")
    empty = f"No app password yet: hourpost mailbox app-password create --account {account} {mailbox}"
    print_list([app_password_shape(one) for one in at_desk(work)], columns, as_json=as_json, empty=empty)


@app.command()
def revoke(
    account: OfAccount,
    mailbox: OfMailbox,
    app_password: Annotated[str, typer.Argument(metavar="APP_PASSWORD", help="apw_…")],
    as_json: AsJson = False,
) -> None:
    """Revoke an app password for good; sessions that came in with it end at once."""

    async def work(desk: Desk) -> None:
        found, now = from_text(PREFIX, app_password), desk.clock.now()
        if found is None:
            raise NotFound(f"{app_password!r} is not the id of an app password ({PREFIX}_…).")
        act = "app_password_revoked"
        await change(desk, account, mailbox, lambda on, of, box: revoke_app_password(on, (of, box), found, now), act)

    at_desk(work)
    print_object({"object": "app_password", "id": app_password, "deleted": True}, as_json=as_json)
