"""Who may have how many of the calls that a process makes at once: none has all, and what fails has few."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Shares:
    """How many calls are under way at once at most.

    An endpoint that does not answer keeps its call for the whole time-out, so a failing webhook has one, those of an
    account ``of_failing``, and those of all accounts together ``failing``.
    """

    most: int = 100
    of_account: int = 25
    of_webhook: int = 16
    failing: int = 50
    of_failing: int = 5


@dataclass(slots=True)
class UnderWay:
    """The calls that one process has under way."""

    webhooks: Counter[UUID] = field(default_factory=Counter)
    accounts: Counter[tuple[UUID, bool]] = field(default_factory=Counter)
    """By account, and whether the webhook was failing when it was claimed."""

    @property
    def calls(self) -> int:
        """All of them."""
        return self.webhooks.total()

    @property
    def failing(self) -> int:
        """Those of failing webhooks."""
        return sum(calls for (_, is_failing), calls in self.accounts.items() if is_failing)

    def copy(self) -> UnderWay:
        """The same, to be counted on from."""
        return UnderWay(self.webhooks.copy(), self.accounts.copy())

    def begin(self, webhook_id: UUID, account_id: UUID, *, is_failing: bool) -> None:
        """One more."""
        self.webhooks[webhook_id] += 1
        self.accounts[account_id, is_failing] += 1

    def end(self, webhook_id: UUID, account_id: UUID, *, is_failing: bool) -> None:
        """One less; what has none is forgotten."""
        self.webhooks[webhook_id] -= 1
        self.accounts[account_id, is_failing] -= 1
        self.webhooks, self.accounts = +self.webhooks, +self.accounts
