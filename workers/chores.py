"""The schedule of an installation: the hour's own, and the chores of billing, of Sent folders and of mailboxes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hourpost.assembly import Parts
from hourpost.billing.till import plan_url
from hourpost.flow.filing import Filing
from hourpost.flow.postman import Postman
from workers.accounts import AccountChores
from workers.billing import BillingChores
from workers.domains import DomainChores
from workers.errand import Errand
from workers.inbound import InboundChores
from workers.mailboxes import MailboxChores
from workers.pruning import Pruning
from workers.schedule import Chore, Schedule
from workers.webhooks import WebhookChores

_FILING_SECONDS = 2.0
_PRUNE_SECONDS = 600.0
_ERASE_SECONDS = 60.0


def build_schedule(parts: Parts) -> Schedule:
    """The schedule with every chore."""
    days = parts.settings.email_days
    postman = Postman(parts.database, parts.intake, parts.clock, parts.settings.own_sender)
    sells = parts.settings.stripe_secret_key is not None
    billing = BillingChores(
        parts.database, parts.clock, parts.hints.ring_billing, postman, plan_url(parts.settings), sells=sells
    )
    filing = Filing(parts.database, parts.mail, parts.clock, parts.settings.hostname)
    mailboxes, domains = MailboxChores(parts.database, parts.clock), DomainChores(parts)
    accounts, pruning = AccountChores(parts.database, parts.clock), Pruning(parts.database, parts.clock, days)
    webhooks = WebhookChores(parts.database, parts.clock, postman, parts.settings.public_url)
    chores = (
        *(_beside(one.name, one.seconds, one.work) for one in billing.chores()),
        _beside("prune", _PRUNE_SECONDS, pruning.prune),
        _beside("erase emails", _PRUNE_SECONDS, pruning.erase_emails),
        _beside("filing", _FILING_SECONDS, filing.sweep),
        *accounts.chores(),
        *mailboxes.chores(),
        *InboundChores(parts.database, parts.clock, parts.settings.inbound_days).chores(),
        *domains.chores(),
        *webhooks.chores(),
        _beside("erase what webhooks left", _ERASE_SECONDS, webhooks.erase),
    )
    return Schedule(parts.database, parts.hour, parts.releaser, parts.clock, chores)


def _beside(name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> Chore:
    """A chore that keeps nobody waiting: it is done beside the others, one round at a time."""
    errand = Errand(work)

    async def ring() -> None:
        errand.ring()

    return Chore(name, seconds, ring, errand.stop)
