"""SPF, DKIM and DMARC of incoming mail: libraries that ask blocking questions, in a bounded pool, against a deadline.

What the results mean and how they are written is in ``rules/authentication.py``.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import structlog

from hourpost.gateways.authentication.dkim_signatures import check_signatures
from hourpost.gateways.authentication.dmarc_policies import find_policy, organisation_of
from hourpost.gateways.authentication.lookups import Lookups, NameServers
from hourpost.gateways.authentication.spf_records import check_spf
from hourpost.rules.authentication import Authentication, Dmarc, Signature, Spf, judge, strictest

__all__ = ["Authenticates", "MailAuthenticator", "NameServers", "Received"]

_THREADS = 16
_DEADLINE_SECONDS = 8.0
_GIVE_UP_SECONDS = 12.0  # waiting for a thread included

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Received:
    """A message and the session it came in; ``sender`` is empty for the null sender."""

    client_address: str
    client_name: str
    sender: str
    from_domains: tuple[str, ...]
    content: bytes


class Authenticates(Protocol):
    """Says who a message is really from."""

    async def authenticate(self, received: Received) -> Authentication:
        """SPF, DKIM and DMARC; what cannot be found out in time is ``temperror``. Never raises."""
        ...


class MailAuthenticator:
    """The real thing."""

    def __init__(self, servers: NameServers) -> None:
        self._servers = servers
        self._pool = ThreadPoolExecutor(_THREADS, "authentication")

    async def authenticate(self, received: Received) -> Authentication:
        """SPF, DKIM and DMARC. Never raises."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_GIVE_UP_SECONDS):
                return await loop.run_in_executor(self._pool, self._check, received)
        except TimeoutError:
            log.warning("authentication took too long", sender=received.sender)
        except Exception:  # somebody else's bytes in somebody else's library: the mail comes in all the same
            log.exception("authentication failed", sender=received.sender)
        return undecided(received)

    def close(self) -> None:
        """Take no more work; what is under way ends by its deadline."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check(self, received: Received) -> Authentication:
        lookups = Lookups(self._servers, _DEADLINE_SECONDS)
        spf = check_spf(lookups, received.client_address, received.sender, received.client_name)
        signatures = check_signatures(lookups, received.content)
        return Authentication(spf, signatures, _check_dmarc(lookups, received.from_domains, spf, signatures))


def undecided(received: Received) -> Authentication:
    """The results when nothing could be found out."""
    domain = received.from_domains[0] if received.from_domains else ""
    sender = received.sender.rpartition("@")[2] or received.client_name
    return Authentication(Spf("temperror", sender), (), Dmarc("temperror", domain))


def _check_dmarc(lookups: Lookups, domains: tuple[str, ...], spf: Spf, signatures: tuple[Signature, ...]) -> Dmarc:
    if not domains:
        return Dmarc("permerror", "")
    found = []
    for domain in domains:
        try:
            policy = find_policy(lookups, domain) if "." in domain else None
        except TimeoutError:
            found.append(Dmarc("temperror", domain))
        else:
            found.append(judge(policy, domain, spf, signatures, organisation_of))
    return strictest(found)
