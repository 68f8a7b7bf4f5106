"""How templates write numbers."""

from __future__ import annotations

import pytest

from api.web.dashboard.filters import idn, money, size


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 kB"), (25 * 1024**2, "25 MB"), (10 * 1024**3, "10 GB")],
)
def test_a_size_is_told_as_limits_are_set(count: int, told: str) -> None:
    assert size(count) == told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("xn--mller-twice-thb.test", "m\u00fcller-twice.test"),
        ("mail.xn--mnchen-3ya.example", "mail.m\u00fcnchen.example"),
        ("acme.test", "acme.test"),
        ("xn--zz-.test", "xn--zz-.test"),
        ("xn--" + "9" * 60 + ".test", "xn--" + "9" * 60 + ".test"),
    ],
)
def test_a_domain_is_told_in_the_letters_of_people(name: str, told: str) -> None:
    assert idn(name) == told


@pytest.mark.parametrize(
    ("cents", "exact", "told"), [(5000, False, "$50"), (1234, False, "$12.34"), (-5000, True, "\N{MINUS SIGN}$50.00")]
)
def test_money_in_a_column_has_its_cents(cents: int, *, exact: bool, told: str) -> None:
    assert money(cents, exact=exact) == told
