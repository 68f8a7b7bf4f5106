"""``hourpost limit``: the hour of each account."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hourpost.accounts.queries import Account, get_named_account, list_accounts
from hourpost.cli.desk import Desk, at_desk
from hourpost.cli.hours import Hour, read_hours
from hourpost.cli.output import AsJson, print_list, read_all

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="The hour: how many deliveries each account may still hand over."
)


@app.callback()
def _commands() -> None:
    """Keep `show` a command of its own, although it is the only one."""


@app.command()
def show(
    account: Annotated[str | None, typer.Option(metavar="ACCOUNT", help="Of this account only; else of all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what each account has used of its hour, what remains, and what is held.

    Example: hourpost limit show --account Acme
    """

    async def work(desk: Desk) -> list[dict[str, Any]]:
        accounts = await _accounts(desk, account)
        hours = await read_hours(desk, {one.id: one.limit for one in accounts})
        return [_shape(one, hours[one.id]) for one in accounts]

    columns = ("name", "plan", "limit", "used", "remaining", "held", "next_free_at", "source")
    print_list(at_desk(work), columns, as_json=as_json, empty="There is no account yet.")


async def _accounts(desk: Desk, named: str | None) -> list[Account]:
    async with desk.database.reading() as connection:
        if named is not None:
            return [await get_named_account(connection, named)]
        return await read_all(lambda cursor: list_accounts(connection, cursor), lambda account: account.id)


def _shape(account: Account, hour: Hour) -> dict[str, Any]:
    return {
        "object": "limit",
        "account_id": account.public_id,
        "name": account.name,
        "plan": account.plan,
        "limit": account.limit,
        "window_seconds": 3600,
        "used": hour.used,
        "remaining": max(0, account.limit - hour.used),
        "held": hour.held,
        "next_free_at": hour.next_free_at,
        "source": hour.source,
    }
