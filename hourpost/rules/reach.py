"""How much of an account a credential reaches, besides what its scope lets it do there."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Reach:
    """All of an account, or tests alone, or what belongs to one domain.

    ``domain`` is the name of that domain, normalised; empty where it is not verified, so that nothing is sent from it.
    """

    tests_only: bool = False
    domain_id: UUID | None = None
    domain: str = ""

    @property
    def is_all(self) -> bool:
        """Whether nothing of the account is kept from it."""
        return not self.tests_only and self.domain_id is None

    def has_email(self, from_address: str, *, test: bool) -> bool:
        """Whether an email from ``from_address`` (local@domain, lower case) is within."""
        is_test_enough = test or not self.tests_only
        return is_test_enough and (self.domain_id is None or self.has_address(from_address))

    def has_address(self, address: str) -> bool:
        """Whether ``address`` is on a domain within."""
        return self.domain_id is None or address.rpartition("@")[2] == (self.domain or None)


ALL = Reach()
"""What an account itself, its people and its operator reach."""
