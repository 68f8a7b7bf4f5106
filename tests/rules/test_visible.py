"""Visible text: every script's names, and nothing that hides."""

from __future__ import annotations

import pytest

from hourpost.rules.addresses import Address, parse_address
from hourpost.rules.labels import check_tag_value
from hourpost.rules.visible import is_visible

VISIBLE = [
    "Zoë",
    "Zoë \U0001f469\u200d\U0001f4bb",
    "\U0001f469\U0001f3fd\u200d\U0001f4bb",  # with a tone of skin
    "\U0001f469\u200d\u2764\ufe0f\u200d\U0001f468 & co",
    "\u2764\ufe0f",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian
    "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala
    "\u845b\U000e0100",
]
HIDING = [
    "a\u202eb",
    "a\u2066b",
    "a\u200eb",
    "a\u200bb",
    "a\u2060b",
    "a\ufeffb",
    "a\u00adb",
    "a\nb",
    "a\0b",
    "a\x85b",
    "a\u2028b",
    "a\U000e0041b",
    "\u200d",
    "\u200da",
    "a\u200d",
    "a \u200db",
    "a\u200d b",
    "a\u200d\u200db",
    "a\u200c\u200db",
    "a\u200d\ufe0fb",
    "a\u200d\u202eb",
    "a\u200db\u202e",
    "a\u200d\nb",
    "a\ud800b",
]


@pytest.mark.parametrize("text", VISIBLE, ids=ascii)
def test_a_name_in_any_script_is_visible_and_goes_into_a_header_and_a_tag(text: str) -> None:
    assert is_visible(text)
    assert check_tag_value(text) == text
    address = Address(text, "a", "b.test")
    assert address.header.isascii()
    assert parse_address(address.header) == parse_address(address.text) == address


@pytest.mark.parametrize("text", HIDING, ids=ascii)
def test_what_hides_ends_a_line_or_turns_it_is_not_visible(text: str) -> None:
    assert not is_visible(text)


@pytest.mark.parametrize("text", ["a\u200d" * 100_000, "\u200d" * 200_000, "a\u200d\u202e" * 70_000])
@pytest.mark.timeout(5)
def test_a_long_text_takes_no_long_time(text: str) -> None:
    assert not is_visible(text)
