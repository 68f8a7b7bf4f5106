"""What acting on a person's log-in takes, handed over together by the door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from hourpost.database import Database
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.attempts import Attempts
from hourpost.gateways.clock import Clock
from hourpost.gateways.encryption import Cipher
from hourpost.rules.letters import Letter
from hourpost.users.afterwards import Afterwards

log = structlog.get_logger()


class PostsLetters(Protocol):
    """Sends our letters: the flow's postman."""

    async def require_way(self) -> None:
        """Whether any letter could leave at all. Raises: ServiceUnavailable."""

    async def post(self, letter: Letter) -> None:
        """Hand over a letter; when this returns, it is stored and will leave. Raises: ServiceUnavailable."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The database, what counts tries, who sends letters, the address that links begin with, what goes on after
    an answer, and whether anybody may sign up.
    """

    database: Database
    attempts: Attempts
    postman: PostsLetters
    cipher: Cipher
    clock: Clock
    public_url: str
    afterwards: Afterwards
    takes_sign_ups: bool = True

    @property
    def now(self) -> datetime:
        """The moment."""
        return self.clock.now()

    def link(self, path: str, token: str) -> str:
        """The address that a letter leads to."""
        return f"{self.public_url}{path}?token={token}"

    async def tell(self, user_id: UUID, letter: Letter) -> None:
        """Tell somebody of what was done already; where they cannot be told, it is done all the same."""
        try:
            await self.postman.post(letter)
        except ServiceUnavailable as error:
            cause = error.cause or error.message
            log.warning("nobody was told what was changed", user_id=str(user_id), subject=letter.subject, cause=cause)
