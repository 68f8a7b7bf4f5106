"""Whom people ask for an account where they cannot make one themselves."""

from __future__ import annotations

from dataclasses import dataclass

from hourpost.rules.addresses import parse_address
from hourpost.settings import EMBEDDED_DOMAIN, Settings


@dataclass(frozen=True, slots=True)
class Contact:
    """What it is called, and where a link to it leads."""

    words: str
    href: str


def find_contact(settings: Settings) -> Contact | None:
    """The operator's page or address, as far as the settings tell."""
    told = settings.contact or settings.system_sender
    if told is None:
        return None
    if told.startswith(("https://", "http://")):
        return Contact(told.partition("://")[2].rstrip("/"), told)
    address = parse_address(told)
    return None if address.domain == EMBEDDED_DOMAIN else Contact(address.spec, f"mailto:{address.spec}")
