"""The names that a domain's records and secrets go by."""

from __future__ import annotations

from uuid import UUID

OWNERSHIP_LABEL = "_hourpost"
# RFC 2606 and RFC 6761: names that nobody can own, for trying things out
_RESERVED = ("test", "example", "localhost")


def ownership_name(domain: str) -> str:
    """Where the proof of ownership is looked for."""
    return f"{OWNERSHIP_LABEL}.{domain}"


def ownership_value(token: str) -> str:
    """What the proof of ownership says."""
    return f"hourpost-verification={token}"


def dkim_name(selector: str, domain: str) -> str:
    """Where a DKIM key is published (RFC 6376 §3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def ed25519_selector(selector: str) -> str:
    """The selector of the second key: one name may publish only one (RFC 6376 §3.6.2.2)."""
    return f"{selector}-ed25519"


def key_row(domain_id: UUID, algorithm: str) -> str:
    """The associated data of a stored private key."""
    return f"domains/{domain_id}/dkim_{algorithm}_private"


def is_reserved(domain: str) -> bool:
    """Whether the name lies under ``test``, ``example`` or ``localhost``."""
    return domain.rpartition(".")[2] in _RESERVED
