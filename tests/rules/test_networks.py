"""What counts as one place that requests come from."""

from __future__ import annotations

import pytest

from hourpost.rules.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),  # or everybody who comes by IPv4 would be one
        ("not an address", "not an address"),
        ("x" * 1000, "x" * 64),
        ("", ""),
    ],
)
def test_of_ipv6_the_network_counts_and_of_ipv4_the_address(address: str, network: str) -> None:
    assert network_of(address) == network
