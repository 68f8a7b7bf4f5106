"""Which addresses of the internet a call that a customer steers may go to.

``ipaddress.is_global`` is no help: it lets NAT64, 6to4, multicast and fec0::/10 through.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

# RFC 6890 and what has been added to its registry since
_DENIED_4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
]
# Only 2000::/3 is given out: mapped, NAT64, link-local, site-local, unique-local and multicast lie outside.
_GIVEN_OUT_6 = IPv6Network("2000::/3")
_DENIED_6 = [
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]


def is_reachable(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether a call may go to ``address``; ``allowed`` are exceptions of this installation."""
    if any(address in network for network in allowed if network.version == address.version):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _DENIED_4)
    if address.scope_id is not None:
        return False
    return address in _GIVEN_OUT_6 and not any(address in network for network in _DENIED_6)
