"""``hourpost mailbox``: addresses with a login, read over IMAP, POP3 or in the browser."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from hourpost.accounts.passwords import hash_password
from hourpost.accounts.queries import get_named_account
from hourpost.cli import mailbox_alias, mailbox_app_password
from hourpost.cli.desk import Desk, at_desk, read_secret
from hourpost.cli.mailbox_words import OfMailbox, Size, change, parse_size
from hourpost.cli.output import AsJson, OfAccount, print_list, print_object, read_all
from hourpost.cli.shapes import mailbox_shape
from hourpost.mailboxes.changes import (
    DEFAULT_QUOTA_BYTES,
    GRACE,
    MailboxSettings,
    NewMailbox,
    create_mailbox,
    delete_mailbox,
    restore_mailbox,
    set_catch_all,
    set_password,
    update_mailbox,
)
from hourpost.mailboxes.queries import Mailbox, get_named_mailbox, get_restorable_mailbox, list_mailboxes
from hourpost.mailboxes.scram_keys import ScramSecret

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Mailboxes: addresses with a login, on verified domains."
)
app.add_typer(mailbox_alias.app, name="alias")
app.add_typer(mailbox_app_password.app, name="app-password")

# Where nobody sits at a terminal the password comes by standard input in any case; the option says so in scripts.
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@app.command()
def create(
    account: OfAccount,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="On a verified domain of the account.")],
    password_stdin:
    # Where nobody sits at a terminal the password comes by standard input in any case; the option says so in scripts.
    PasswordStdin = False,
    name: Annotated[str, typer.Option(help="Whose it is.")] = "",
    quota: Size = None,
    as_json: AsJson = False,
) -> None:
    """Create a mailbox with its folders.

    Example: hourpost mailbox create --account Acme anna@acme.example --password-stdin < password.txt
    """

    async def work(desk: Desk) -> Mailbox:
        password = read_secret("password")
        hashed, scram = await hash_password(password), ScramSecret(password, await desk.cipher())
        quota_bytes = parse_size(quota) or DEFAULT_QUOTA_BYTES
        async with desk.database.transaction() as connection:
            found = await get_named_account(connection, account)
            new = NewMailbox(address, hashed, name, quota_bytes, scram=scram)
            made = await create_mailbox(connection, found.id, new, desk.clock.now())
            await desk.note(connection, found.id, "mailbox_made", name=made.address)
            return made

    print_object(mailbox_shape(at_desk(work)), as_json=as_json)


@app.command("list")
def list_all(
    account: OfAccount,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those that `restore` can bring back instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the mailboxes of an account, the newest first."""

    async def work(desk: Desk) -> list[Mailbox]:
        async with desk.database.reading() as connection:
            found = await get_named_account(connection, account)
            since = desk.clock.now() - GRACE if deleted else None
            return await read_all(
                lambda cursor: list_mailboxes(connection, found.id, cursor, deleted_since=since), lambda one: one.id
            )

    columns = ("id", "address", "name", "used_bytes", "quota_bytes", "aliases")
    empty = f"No mailbox yet: hourpost mailbox create --account {account} ADDRESS"
    empty = "No mailbox was deleted in the last 30 days." if deleted else empty
    print_list([mailbox_shape(one) for one in at_desk(work)], columns, as_json=as_json, empty=empty)


@app.command()
def show(account: OfAccount, mailbox: OfMailbox, as_json: AsJson = False) -> None:
    """Show one mailbox."""

    async def work(desk: Desk) -> Mailbox:
        async with desk.database.reading() as connection:
            found = await get_named_account(connection, account)
            return await get_named_mailbox(connection, found.id, mailbox)

    print_object(mailbox_shape(at_desk(work)), as_json=as_json)


@app.command()
def password(
    account: OfAccount,
    mailbox: OfMailbox,
    password_stdin:
    # Where nobody sits at a terminal the password comes by standard input in any case; the option says so in scripts.
    PasswordStdin = False,
    as_json: AsJson = False,
) -> None:
    """Give a mailbox another password; sessions that came in with the old one end."""

    async def work(desk: Desk) -> Mailbox:
        secret = read_secret("password")
        hashed, scram = await hash_password(secret), ScramSecret(secret, await desk.cipher())
        act = "mailbox_password_changed"
        return await change(desk, account, mailbox, lambda on, of, box: set_password(on, of, box, hashed, scram), act)

    print_object(mailbox_shape(at_desk(work)), as_json=as_json)


@app.command("set")
def set_(
    account: OfAccount,
    mailbox: OfMailbox,
    name: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    quota: Size = None,
    forward_to: Annotated[
        list[str] | None, typer.Option(help='Send a copy of all mail there; may be repeated; "" is nowhere.')
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change the settings of a mailbox. Example: hourpost mailbox set --account Acme anna@acme.example --quota 20GB"""

    async def work(desk: Desk) -> Mailbox:
        forwards = None if forward_to is None else tuple(one for one in forward_to if one)
        settings = MailboxSettings(name, parse_size(quota), forwards)
        act = "mailbox_changed" if forwards is None else "mailbox_forwarding_changed"
        return await change(desk, account, mailbox, lambda on, of, box: update_mailbox(on, of, box, settings), act)

    print_object(mailbox_shape(at_desk(work)), as_json=as_json)


@app.command()
def copies(
    account: OfAccount,
    mailbox: OfMailbox,
    forwarded: Annotated[bool | None, typer.Option(help="Whether what is forwarded stays here too.")] = None,
    sent: Annotated[bool | None, typer.Option(help="Whether what its address sends goes into Sent.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set what a mailbox keeps copies of.

    Example: hourpost mailbox copies --account Acme anna@acme.example --no-sent
    """

    async def work(desk: Desk) -> Mailbox:
        settings = MailboxSettings(keeps_forwarded=forwarded, files_sent=sent)
        act = "mailbox_changed"
        return await change(desk, account, mailbox, lambda on, of, box: update_mailbox(on, of, box, settings), act)

    print_object(mailbox_shape(at_desk(work)), as_json=as_json)


@app.command("catch-all")
def catch_all(
    account: OfAccount,
    mailbox: OfMailbox,
    wanted: Annotated[bool, typer.Option("--on/--off", help="Whether it does.")] = True,
    as_json: AsJson = False,
) -> None:
    """Let a mailbox get what nobody else of its domain gets, or no longer."""

    async def work(desk: Desk) -> Mailbox:
        now = desk.clock.now()
        set_it = partial(set_catch_all, wanted=wanted, now=now)
        return await change(desk, account, mailbox, set_it, "mailbox_changed")

    print_object(mailbox_shape(at_desk(work)), as_json=as_json)


@app.command()
def delete(account: OfAccount, mailbox: OfMailbox, as_json: AsJson = False) -> None:
    """Delete a mailbox: nobody logs in and no mail comes; for 30 days `restore` brings it back."""

    async def work(desk: Desk) -> Mailbox:
        now = desk.clock.now()
        act = "mailbox_deleted"
        return await change(desk, account, mailbox, lambda on, of, box: delete_mailbox(on, of, box, now), act)

    print_object(mailbox_shape(at_desk(work)) | {"deleted": True}, as_json=as_json)


@app.command()
def restore(
    account: OfAccount,
    mailbox: Annotated[str, typer.Argument(metavar="MAILBOX", help="Its address, or mbx_….")],
    as_json: AsJson = False,
) -> None:
    """Bring a deleted mailbox back, with its mail and under its own address."""

    async def work(desk: Desk) -> Mailbox:
        now, find = desk.clock.now(), get_restorable_mailbox
        act = "mailbox_restored"
        return await change(desk, account, mailbox, lambda on, of, box: restore_mailbox(on, of, box, now), act, find)

    print_object(mailbox_shape(at_desk(work)), as_json=as_json)
