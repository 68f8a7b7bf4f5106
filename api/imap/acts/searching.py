"""SEARCH, SORT and THREAD: the store finds, here it is told (RFC 9051 §6.4.4, RFC 4731, 5182, 5256, 5267)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.imap.grammar.commands import Command
from api.imap.replies import No

if TYPE_CHECKING:
    from api.imap.session import Session


async def search(session: Session, command: Command) -> str:
    """SEARCH and UID SEARCH."""
    raise No("CANNOT", "not yet")


sort = thread = search
