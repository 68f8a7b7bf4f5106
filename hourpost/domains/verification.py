"""Proving a domain: its records are looked up first, and what was found is stored after."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from hourpost.database import Database
from hourpost.domains.changes import Findings, record_findings
from hourpost.domains.mail_servers import MailServers, find_mail_records, list_mail_records
from hourpost.domains.names import dkim_name, ed25519_selector, is_reserved, ownership_name, ownership_value
from hourpost.domains.queries import Domain, get_domain
from hourpost.gateways.clock import Clock
from hourpost.gateways.dns import Dns, DnsUnavailable
from hourpost.rules.dkim import is_same_record


@dataclass(frozen=True, slots=True)
class Verifier:
    """Looks domains up. ``trusts_reserved``: ``*.test``, ``*.example`` and ``*.localhost`` need no records."""

    database: Database
    dns: Dns
    clock: Clock
    trusts_reserved: bool = False
    servers: MailServers | None = None  # without them nobody looks for the records of mailboxes

    async def verify(self, account_id: UUID, domain_id: UUID) -> Domain:
        """Look the records up and store what became of the domain; no transaction is open meanwhile.

        Raises: NotFound; Conflict when another account has it; DnsUnavailable, which changes nothing.
        """
        async with self.database.reading() as connection:
            domain = await get_domain(connection, account_id, domain_id)
        findings = await self.look_up(domain)
        async with self.database.transaction() as connection:
            return await record_findings(connection, account_id, domain_id, findings, self.clock.now())

    async def look_up(self, domain: Domain) -> Findings:
        """What DNS says about the domain now. Raises: DnsUnavailable."""
        if self.trusts_reserved and is_reserved(domain.name):
            return Findings(owned=True, signs=True, mail_records=self._all_mail_records(domain))
        selector = domain.dkim_selector
        questions = [ownership_name(domain.name), dkim_name(selector, domain.name)]
        if domain.signs_ed25519:
            questions.append(dkim_name(ed25519_selector(selector), domain.name))
        mail, (proofs, rsa, *second) = await asyncio.gather(
            self._find_mail_records(domain), asyncio.gather(*map(self.dns.find_txt, questions))
        )
        owned = ownership_value(domain.ownership_token) in [proof.strip() for proof in proofs]
        signs_ed25519 = any(_has_key(found, domain.dkim_ed25519_public) for found in second)
        return Findings(owned, _has_key(rsa, domain.dkim_rsa_public), signs_ed25519, mail)

    async def _find_mail_records(self, domain: Domain) -> tuple[str, ...] | None:
        """Which of the records for mailboxes are there; None where nothing can be known just now."""
        if self.servers is None:
            return None
        try:
            return await find_mail_records(domain.name, self.servers, self.dns)
        except DnsUnavailable:  # the proof does not wait for them
            return None

    def _all_mail_records(self, domain: Domain) -> tuple[str, ...] | None:
        if self.servers is None:
            return None
        return tuple(one.name for one in list_mail_records(domain.name, self.servers))


def _has_key(found: tuple[str, ...], expected: str) -> bool:
    return any(is_same_record(one, expected) for one in found)
