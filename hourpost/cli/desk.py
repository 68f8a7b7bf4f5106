"""The operator's desk: settings of the installation that runs, its database, and errors told in one line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.accounts import audit
from hourpost.cli.database_faults import of_database
from hourpost.cli.failing import fail
from hourpost.cli.running import running_settings
from hourpost.database import Database
from hourpost.errors import HourpostError, Refused
from hourpost.gateways.clock import Clock, SystemClock
from hourpost.gateways.encryption import Cipher
from hourpost.seals import find_wrong_key
from hourpost.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with."""

    settings: Settings
    database: Database
    clock: Clock

    async def note(self, connection: AsyncConnection, account_id: UUID, action: str, **detail: str) -> None:
        """Write what a command does into the account's audit log, in the transaction that does it."""
        await audit.note(connection, audit.by_operator(account_id), action, self.clock.now(), **detail)

    async def cipher(self) -> Cipher:
        """Seals and opens stored secrets. Raises: Refused without a secret key, or with one that opens nothing here."""
        try:
            cipher = Cipher.from_settings(self.settings)
        except ValueError as error:
            raise Refused(f"{error}; without it no key can be stored or read.") from error
        wrong = await find_wrong_key(self.database, cipher)
        if wrong is not None and wrong.is_whole:
            raise Refused(f"{wrong.words}.")
        return cipher


def at_desk(work: Callable[[Desk], Awaitable[T]]) -> T:
    """Run one command to its end; what goes wrong is told on standard error, and the exit code is 1."""
    try:
        return asyncio.run(_work(work))
    except HourpostError as error:
        fail(error)


def read_secret(what: str) -> str:
    """One line of standard input, asked for without echo where a person sits. Raises: Refused when it is empty."""
    if sys.stdin.isatty():
        secret = str(typer.prompt(what, hide_input=True, err=True))
    else:
        secret = sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise Refused(f"no {what} on standard input")
    return secret


async def _work(work: Callable[[Desk], Awaitable[T]]) -> T:
    settings = running_settings()
    assert settings.database_url is not None  # running_settings has it or raises
    for fault in of_database(settings):
        raise Refused(fault)
    database = Database(settings.database_url.get_secret_value(), pool_size=2, application="hourpost operator")
    try:
        return await work(Desk(settings, database, SystemClock()))
    finally:
        with suppress(OSError):
            await database.close()
