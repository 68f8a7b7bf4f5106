"""Encoded words: every text comes back, every unsafe character is found, hostile words end in no error."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourpost.rules.header_text import decode_words, encode_words, find_unsafe, make_safe
from tests.rules.hostile import ATTACKS, hostile_text


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_unsafe_character_is_found_wherever_it_hides(attack: str) -> None:
    assert find_unsafe(f"before {attack} after") is not None


@pytest.mark.parametrize(
    "text", ["", "plain", "Grüße 日本 👩‍👩‍👧", "=?utf-8?q?fine?=", "1 = 2?", "=?", "a\u00a0b", "=?x?q?=C3?="]
)
def test_safe_text_passes(text: str) -> None:
    assert find_unsafe(text) is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200).filter(lambda text: text.strip() == text and text))
def test_encoded_words_are_short_and_come_back(text: str) -> None:
    words = encode_words(text)
    assert all(len(word) <= 75 for word in words)
    assert decode_words(" ".join(words)) == text
    assert str(make_header(decode_header(" ".join(words)))) == text


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        ("plain", "plain"),
        ("=?utf-8?Q?a_=C3=BC?= b", "a ü b"),
        ("=?utf-8?b?w7w=?=  =?utf-8?b?w7w=?=", "üü"),
        ("=?utf-8?b?w7w=?= x =?utf-8?b?w7w=?=", "ü x ü"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        ("=?latin-1?q?=FC?= =?utf-8?q?=C3=BC?=", "üü"),
        ("=?utf-8*de?q?=C3=BC?=", "ü"),
        ("=?utf-8?b?w7w?=", "ü"),
        ("=?utf-8?b?w7wxx?=", "ü1"),
        ("=?nonsense?q?=C3=BC?=", "ü"),
        ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
        ("=?utf-7?q?+2AA-?=", "?"),
        ("=?hex?q?41?=", "41"),
        ("=?iso-8859-1?q?=93a=94_=80=FC?=", "“a” €ü"),
        ("=?us-ascii?q?=93a=94?=", "“a”"),
        ("=?us-ascii?q?=C3=BC?=", "ü"),
        ("=?iso-8859-9?q?=80=F0?=", "€ğ"),
    ],
)
def test_encoded_words_are_decoded_as_far_as_they_go(encoded: str, text: str) -> None:
    assert decode_words(encoded) == text


@settings(max_examples=200, deadline=None)
@given(hostile_text | st.from_regex(r"=\?[a-z0-9_-]{0,12}\?[bq]\?[ -~]{0,20}\?=", fullmatch=True))
def test_hostile_words_never_raise_and_are_safe_to_show(text: str) -> None:
    shown = make_safe(decode_words(text))
    assert find_unsafe(shown.replace("=?", "")) is None
    shown.encode()


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "utf-7", "utf-8"])
def test_a_long_word_takes_no_time_by_the_square(charset: str) -> None:
    decode_words(f"=?{charset}?q?{'a9' * 100_000}-{'a9' * 100_000}?=")


def test_unsafe_characters_are_shown_as_replacements() -> None:
    assert make_safe("a\r\n\0b\u2028\ud800ü") == "a\ufffd\ufffd\ufffdb\ufffd\ufffdü"
