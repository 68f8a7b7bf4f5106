"""Credential tokens: they tell typos offline, and only their digest is kept."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourpost.rules.tokens import ENTROPY_BYTES, LIVE, PREFIXES, digest, looks_valid, mint

entropies = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)
TOKEN = mint(LIVE, bytes(range(ENTROPY_BYTES)))


@given(st.sampled_from(PREFIXES), entropies)
def test_a_minted_token_looks_valid(prefix: str, entropy: bytes) -> None:
    token = mint(prefix, entropy)
    assert token.startswith(prefix)
    assert token.removeprefix(prefix).isalnum()
    assert looks_valid(token)


@given(entropies, entropies)
def test_other_entropy_is_another_token(one: bytes, other: bytes) -> None:
    assert (mint(LIVE, one) == mint(LIVE, other)) is (one == other)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("0aZ_-. é\0"))
def test_a_typo_does_not_look_valid(place: int, char: str) -> None:
    typo = TOKEN[:place] + char + TOKEN[place + 1 :]
    assert looks_valid(typo) is (typo == TOKEN)


@pytest.mark.parametrize("token", ["", "hp_live_", TOKEN[:-1], TOKEN + "0", TOKEN.upper(), f" {TOKEN}", f"{TOKEN}\n"])
def test_what_is_no_token_does_not_look_valid(token: str) -> None:
    assert not looks_valid(token)


def test_at_least_160_bits_are_asked_for() -> None:
    assert ENTROPY_BYTES * 8 >= 160
    with pytest.raises(ValueError, match="random bytes"):
        mint(LIVE, b"short")
    with pytest.raises(ValueError, match="prefix"):
        mint("us_", bytes(ENTROPY_BYTES))


def test_the_sha256_is_what_is_kept() -> None:
    assert digest(TOKEN) == hashlib.sha256(TOKEN.encode()).digest()
