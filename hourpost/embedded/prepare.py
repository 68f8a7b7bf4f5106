"""`python -m hourpost.embedded.prepare HOME`: the tables and the first account of an instance that is starting."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

from hourpost.database import Database
from hourpost.embedded.first_steps import prepare_first_account, prepare_own_account
from hourpost.embedded.instance import instance_settings_of
from hourpost.errors import HourpostError, Refused
from hourpost.gateways.clock import SystemClock
from hourpost.gateways.encryption import Cipher
from hourpost.seals import find_wrong_key
from migrations.upgrade import upgrade


async def prepare(home: Path) -> None:
    """Migrate, then make the first account where there is none; what is waited for is printed.

    Raises: ServiceUnavailable, Refused with a secret key that is not the data's, or a database that is not ours.
    """
    settings = instance_settings_of(home)
    assert settings.database_url is not None  # `hourpost up` has written where it is
    database = Database(
        settings.database_url.get_secret_value(), pool_size=2, application="hourpost up", is_patient=True
    )
    try:
        await upgrade(database, partial(print, flush=True))
        cipher, clock = Cipher.from_settings(settings), SystemClock()
        wrong = await find_wrong_key(database, cipher)
        if wrong is not None and wrong.is_whole:
            raise Refused(wrong.words)
        await prepare_own_account(database, cipher, clock)
        await prepare_first_account(home, database, cipher, clock)
    finally:
        await database.close()


if __name__ == "__main__":
    try:
        asyncio.run(prepare(Path(sys.argv[1])))
    except HourpostError as error:
        sys.exit(f"{error.message}{f' ({error.cause})' if error.cause else ''}")
