"""``hourpost limit``: the hour of each account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import text

from hourpost.accounts.queries import Account, get_named_account, list_accounts
from hourpost.cli.desk import Desk, at_desk
from hourpost.cli.output import AsJson, print_list, read_all
from hourpost.errors import ServiceUnavailable
from hourpost.flow.limit import to_moment
from hourpost.gateways.hour import RedisHour

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="The hour: how many deliveries each account may still hand over."
)

# The rolling hour as PostgreSQL knows it: the truth, of which the bucket in Redis is the fast copy.
_COUNTED = text(
    "SELECT a.id,"
    " (SELECT coalesce(sum(s.count), 0) FROM spends s WHERE s.account_id = a.id"
    "    AND s.spent_at > now() - interval '1 hour')::int AS used,"
    " (SELECT count(*) FROM deliveries d WHERE d.account_id = a.id AND d.state = 'held') AS held"
    " FROM unnest(CAST(:accounts AS uuid[])) AS a(id)"
)


@dataclass(frozen=True, slots=True)
class Hour:
    """Used and held of one account; ``source`` is redis or, where its bucket is cold or away, postgresql."""

    used: int
    held: int
    next_free_at: datetime | None
    source: str


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
        counted = await _count(desk, accounts) | await _peek(desk, accounts)
        return [_shape(one, counted[one.id]) for one in accounts]

    columns = ("name", "plan", "limit", "used", "remaining", "held", "next_free_at", "source")
    print_list(at_desk(work), columns, as_json=as_json, empty="There is no account yet.")


async def _accounts(desk: Desk, named: str | None) -> list[Account]:
    async with desk.database.reading() as connection:
        if named is not None:
            return [await get_named_account(connection, named)]
        return await read_all(lambda cursor: list_accounts(connection, cursor), lambda account: account.id)


async def _count(desk: Desk, accounts: list[Account]) -> dict[UUID, Hour]:
    async with desk.database.reading() as connection:
        rows = await connection.execute(_COUNTED, {"accounts": [account.id for account in accounts]})
        return {row.id: Hour(row.used, row.held, None, "postgresql") for row in rows}


async def _peek(desk: Desk, accounts: list[Account]) -> dict[UUID, Hour]:
    """Of the accounts whose bucket is there; none while Redis is away."""
    found: dict[UUID, Hour] = {}
    if desk.settings.redis_url is None:
        return found
    hour = RedisHour(desk.settings.redis_url.get_secret_value(), timeout_seconds=2)
    try:
        for account in accounts:
            reading = await hour.peek(account.id, account.limit)
            if reading is not None:
                free_at = to_moment(reading.next_free_at_us) if reading.used >= account.limit > 0 else None
                found[account.id] = Hour(reading.used, reading.waiting, free_at, "redis")
    except ServiceUnavailable as error:
        typer.echo(f"note: counted in PostgreSQL: {error.message}", err=True)
    finally:
        await hour.aclose()
    return found


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
