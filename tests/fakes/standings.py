"""Credentials of a fixed cast, without a database."""

from __future__ import annotations

from uuid import UUID

from hourpost.errors import Forbidden, HourpostError
from hourpost.rules.submission import SendingDomain, Standing

USERNAME = "acme"
PASSWORD = "hp_smtp_secret"


def new_standing(**changes: object) -> Standing:
    domain = SendingDomain(UUID(int=7), "acme.test", signs=False)
    values = {
        "account_id": UUID(int=1),
        "credential_id": UUID(int=2),
        "kind": "smtp",
        "scope": "sending",
        "test": False,
        "plan": "path",
        "limit": 1000,
        "suspended": False,
        "only_domain_id": None,
        "domains": {"acme.test": domain},
    }
    return Standing(**{**values, **changes})


class FixedStandings:
    """Knows one login, until ``is_revoked``."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.is_revoked = False
        self.error: HourpostError | None = None
        self.standing = new_standing()

    async def by_smtp_login(self, username: str, password: str, peer: str) -> Standing:
        if self.error is not None:
            raise self.error
        if self.is_revoked or (username, password) != (USERNAME, PASSWORD):
            raise Forbidden("invalid_api_key", "Authentication credentials invalid")
        return self.standing
