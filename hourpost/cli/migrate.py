"""`hourpost migrate`: brings the database to this version's tables."""

from __future__ import annotations

import asyncio

import typer

from hourpost.cli.desk import fail
from hourpost.database import Database
from hourpost.embedded.instance import instance_settings
from hourpost.errors import HourpostError
from migrations.upgrade import upgrade

app = typer.Typer(add_completion=False)


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables; run it once, before every other part starts.

    Several at once are harmless: they wait for one another, and all but the first find nothing to do.
    """
    settings = instance_settings()
    if settings.database_url is None:
        raise typer.BadParameter("HOURPOST_DATABASE_URL is not set, and no `hourpost up` runs.")
    database = Database(settings.database_url.get_secret_value(), pool_size=2, application="hourpost migrate")

    async def run() -> None:
        try:
            await upgrade(database)
        finally:
            await database.close()

    try:
        asyncio.run(run())
    except HourpostError as error:
        fail(error)
    typer.echo("The database is up to date.")
