"""What counts as one place that requests come from."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

_LONGEST = 64


def network_of(address: str) -> str:
    """The address; of IPv6 its /64, which is the least that one customer has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:_LONGEST]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))
