"""`hourpost migrate`: brings the database to this version's tables."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

import typer

from hourpost.cli.database_faults import of_database
from hourpost.cli.failing import fail
from hourpost.cli.faults import refuse_faults
from hourpost.database import Database
from hourpost.embedded.instance import instance_settings
from hourpost.errors import HourpostError
from hourpost.gateways.clock import SystemClock
from hourpost.mailboxes.restoring import outdate_clients
from migrations.upgrade import upgrade

app = typer.Typer(add_completion=False)

Restored = Annotated[bool, typer.Option("--restored", help="The database is a backup that has just been restored.")]


@app.command()
def migrate(restored: Restored = False) -> None:
    """Bring the database to this version's tables; run it once, before every other part starts.

    Several at once are harmless: they wait for one another, and all but the first find nothing to do. Parts may be at
    work meanwhile, and a dump under way: what is waited for is told, for half an hour, and then given up with 1. A
    database of a newer version is left as it is.
    With --restored, run before any part starts, mail programs also read their folders anew: messages that come now are
    given the numbers of those that the backup did not have.
    """
    settings = instance_settings()
    if settings.database_url is None:
        raise typer.BadParameter("HOURPOST_DATABASE_URL is not set, and no `hourpost up` runs.")
    refuse_faults(settings, of_database)
    database = Database(
        settings.database_url.get_secret_value(), pool_size=2, application="hourpost migrate", is_patient=True
    )

    async def run() -> int:
        try:
            await upgrade(database, partial(typer.echo, err=True))
            if not restored:
                return 0
            async with database.transaction() as connection:
                return await outdate_clients(connection, SystemClock().now())
        finally:
            await database.close()

    try:
        folders = asyncio.run(run())
    except HourpostError as error:
        fail(error)
    typer.echo("The database is up to date.")
    if restored:
        typer.echo(f"Mail programs read {folders} {'folder' if folders == 1 else 'folders'} anew.")
