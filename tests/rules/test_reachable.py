"""Which addresses customers may have called."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from hourpost.rules.reachable import LOOPBACK, is_reachable

INSIDE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2001:20::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
]
OPEN = [
    "1.1.1.1",
    "8.8.8.8",
    "172.15.0.1",
    "172.32.0.1",
    "192.167.1.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450::1",
]


@pytest.mark.parametrize("text", INSIDE)
def test_what_is_not_of_the_open_internet_is_out_of_reach(text: str) -> None:
    assert not is_reachable(ip_address(text))


@pytest.mark.parametrize("text", OPEN)
def test_the_open_internet_is_in_reach(text: str) -> None:
    assert is_reachable(ip_address(text))


def test_exceptions_are_in_reach_and_no_more_than_they() -> None:
    allowed = (*LOOPBACK, ip_network("10.1.0.0/16"))
    assert all(is_reachable(ip_address(text), allowed) for text in ("127.0.0.1", "::1", "10.1.2.3", "1.1.1.1"))
    assert not is_reachable(ip_address("10.2.0.1"), allowed)
    assert not is_reachable(ip_address("::ffff:127.0.0.1"), allowed)
