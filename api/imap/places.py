"""The places that a mailbox has for sessions, counted over all processes."""

from __future__ import annotations

from secrets import token_hex
from uuid import UUID

from hourpost.gateways.session_leases import SessionLeases


class Places:
    """Who of this process is in which mailbox; what other processes have, the leases know."""

    def __init__(self, leases: SessionLeases, most: int) -> None:
        self._leases = leases
        self._most = most
        self._taken: dict[UUID, set[str]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._taken.values()))

    async def take(self, mailbox_id: UUID) -> str | None:
        """A place in the mailbox, to be given back; None when there is none."""
        mine = self._taken.setdefault(mailbox_id, set())
        if len(mine) >= self._most:  # Redis may be away
            return None
        token = token_hex(8)
        mine.add(token)
        if await self._leases.take(mailbox_id, token, self._most):
            return token
        self._forget(mailbox_id, token)
        return None

    def give_back(self, mailbox_id: UUID, token: str) -> None:
        """Leave the mailbox."""
        self._forget(mailbox_id, token)
        self._leases.release(mailbox_id, token)

    async def keep(self) -> None:
        """Say that all who are here are still here; to be done more often than leases end."""
        here = [(mailbox_id, token) for mailbox_id, mine in self._taken.items() for token in mine]
        await self._leases.renew(here, self._most)

    def _forget(self, mailbox_id: UUID, token: str) -> None:
        mine = self._taken[mailbox_id]
        mine.discard(token)
        if not mine:
            del self._taken[mailbox_id]
