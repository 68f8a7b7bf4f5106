"""What the commands for mailboxes share."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost.accounts.queries import get_named_account
from hourpost.cli.desk import Desk
from hourpost.errors import Fault, ValidationFailed
from hourpost.mailboxes.queries import Mailbox, get_named_mailbox

T = TypeVar("T")

OfMailbox = Annotated[str, typer.Argument(metavar="MAILBOX", help="Its address or its id (mbx_…).")]
Size = Annotated[str | None, typer.Option("--quota", metavar="SIZE", help="What it may hold: 500MB, 10GB, …")]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"([0-9]{1,15})\s*((?:[kmgt]i?)?)b?", re.IGNORECASE)


async def change(
    desk: Desk,
    account: str,
    mailbox: str,
    work: Callable[[AsyncConnection, UUID, UUID], Awaitable[T]],
    act: str | None = None,
    find: Callable[[AsyncConnection, UUID, str], Awaitable[Mailbox]] = get_named_mailbox,
) -> T:
    """Run one change of a named mailbox in a transaction, and write down the ``act`` that it is.

    Raises: NotFound and what the change raises.
    """
    async with desk.database.transaction() as connection:
        found = await get_named_account(connection, account)
        place = await find(connection, found.id, mailbox)
        done = await work(connection, found.id, place.id)
        is_open_already = (
            find is not get_named_mailbox and place.deleted_at is None
        )  # who restores again changes nothing
        if act is not None and not is_open_already:
            await desk.note(connection, found.id, act, name=place.address)
        return done


def parse_size(text: str | None) -> int | None:
    """Bytes of ``10GB``, ``512MiB`` or a plain number. Raises: ValidationFailed."""
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValidationFailed([Fault("/quota", f"{text!r} is not a size such as 500MB or 10GB")])
    return int(match[1]) * _UNITS[match[2].lower()]
