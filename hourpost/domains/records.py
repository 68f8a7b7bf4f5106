"""The DNS records that the owner of a domain publishes, in the shape in which Resend's clients expect them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hourpost.domains.names import dkim_name, ed25519_selector, ownership_name, ownership_value
from hourpost.domains.queries import Domain, Status


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record: what it is for (``record``), where it goes, and whether it was seen."""

    record: str
    name: str  # in full, without the dot at the end
    type: str
    value: str
    status: str
    ttl: str = "Auto"
    priority: int | None = None

    def to_dict(self) -> dict[str, str | int]:
        """For JSON; ``priority`` only where there is one."""
        fields: dict[str, str | int] = {
            "record": self.record,
            "name": self.name,
            "type": self.type,
            "ttl": self.ttl,
            "status": self.status,
            "value": self.value,
        }
        return fields if self.priority is None else fields | {"priority": self.priority}


def list_records(domain: Domain) -> list[DnsRecord]:
    """Ownership and DKIM; the second DKIM key only where the domain signs with it."""
    selector = domain.dkim_selector
    proof = domain.status if domain.proof_missing_since is None else Status.FAILED
    ownership = ownership_name(domain.name), "TXT", ownership_value(domain.ownership_token)
    records = [
        DnsRecord("Ownership", *ownership, proof),
        _dkim(domain, selector, domain.dkim_rsa_public, domain.dkim_seen_at),
    ]
    if domain.signs_ed25519:
        second = ed25519_selector(selector)
        records.append(_dkim(domain, second, domain.dkim_ed25519_public, domain.dkim_ed25519_seen_at))
    return records


def _dkim(domain: Domain, selector: str, value: str, seen_at: datetime | None) -> DnsRecord:
    unseen = Status.NOT_STARTED if domain.last_checked_at is None else Status.PENDING
    status = Status.VERIFIED if seen_at is not None else unseen
    return DnsRecord("DKIM", dkim_name(selector, domain.name), "TXT", value, status)
