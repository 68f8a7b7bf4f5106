"""``hourpost queue``: what waits, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer

from hourpost.accounts.queries import get_named_account
from hourpost.cli.desk import Desk, at_desk
from hourpost.cli.hours import read_hours
from hourpost.cli.output import AsJson, print_object, print_table
from hourpost.cli.waiting import MEANINGS, Cause, list_causes, list_holding

app = typer.Typer(add_completion=False, no_args_is_help=True, help="What waits, and why.")


@app.callback()
def _commands() -> None:
    """Keep `show` a command of its own, although it is the only one."""


@app.command()
def show(
    account: Annotated[str | None, typer.Option(metavar="ACCOUNT", help="Of this account only; else of all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Why is anything waiting? Counts by cause, with the age of the oldest.

    Example: hourpost queue show --account Acme
    """

    async def work(desk: Desk) -> list[dict[str, Any]]:
        async with desk.database.reading() as connection:
            found = None if account is None else await get_named_account(connection, account)
            causes = await list_causes(connection, None if found is None else found.id)
            holding = await list_holding(connection, None if found is None else found.id)
        hours = await read_hours(desk, holding) if holding else {}
        room_at = min((hour.next_free_at for hour in hours.values() if hour.next_free_at is not None), default=None)
        causes = [replace(one, next_at=room_at) if one.name == "plan" else one for one in causes]
        return [_shape(cause, desk.clock.now()) for cause in causes]

    shapes = at_desk(work)
    if as_json:
        waiting = sum(shape["waiting"] for shape in shapes)
        print_object({"object": "queue", "waiting": waiting, "causes": shapes}, as_json=True)
    elif shapes:
        print_table(shapes, ("cause", "waiting", "oldest", "next_at", "meaning"))
    else:
        typer.echo("Nothing waits.", err=True)


def _shape(cause: Cause, now: datetime) -> dict[str, Any]:
    seconds = max(0, round((now - cause.oldest_at).total_seconds()))
    return {
        "cause": cause.name,
        "waiting": cause.count,
        "oldest_seconds": seconds,
        "oldest": _age(seconds),
        "oldest_at": cause.oldest_at,
        "next_at": cause.next_at,
        "meaning": MEANINGS.get(cause.name, ""),
    }


def _age(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
