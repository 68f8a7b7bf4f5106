"""Secrets at rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from hourpost.gateways.encryption import CannotDecrypt, Cipher
from hourpost.settings import load_settings

OLD, NEW = "an old secret key, long", "a new secret key, longer"
ROW = "domains/1/dkim_rsa_private"


@given(st.binary(max_size=3000))
def test_what_was_sealed_is_opened(plain: bytes) -> None:
    cipher = Cipher(NEW)
    assert cipher.open(cipher.seal(plain, ROW), ROW) == plain


def test_the_same_secret_is_never_sealed_alike() -> None:
    cipher = Cipher(NEW)
    assert cipher.seal(b"secret", ROW) != cipher.seal(b"secret", ROW)
    assert b"secret" not in cipher.seal(b"secret", ROW)


def test_after_a_change_of_keys_the_old_ones_still_open() -> None:
    sealed = Cipher(OLD).seal(b"secret", ROW)
    changed = Cipher(NEW, [OLD])
    assert changed.open(sealed, ROW) == b"secret"
    with pytest.raises(CannotDecrypt):
        Cipher(OLD).open(changed.seal(b"secret", ROW), ROW)
    with pytest.raises(CannotDecrypt, match="HOURPOST_PREVIOUS_SECRET_KEYS"):
        Cipher(NEW).open(sealed, ROW)


def test_it_opens_only_in_its_own_row() -> None:
    cipher = Cipher(NEW)
    with pytest.raises(CannotDecrypt):
        cipher.open(cipher.seal(b"secret", ROW), "domains/2/dkim_rsa_private")


def test_no_bit_may_change() -> None:
    cipher = Cipher(NEW)
    sealed = cipher.seal(b"secret", ROW)
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(CannotDecrypt):
            cipher.open(bytes(changed), ROW)
    for length in range(len(sealed)):
        with pytest.raises(CannotDecrypt):
            cipher.open(sealed[:length], ROW)


def test_the_settings_make_the_cipher() -> None:
    settings = load_settings(secret_key=SecretStr(NEW), previous_secret_keys=SecretStr(f"{OLD.replace(' ', '-')} x"))
    sealed = Cipher(OLD.replace(" ", "-")).seal(b"secret", ROW)
    assert Cipher.from_settings(settings).open(sealed, ROW) == b"secret"


def test_without_a_real_secret_there_is_no_cipher() -> None:
    with pytest.raises(ValueError, match="not set"):
        Cipher.from_settings(load_settings(secret_key=None))
    with pytest.raises(ValueError, match="at least"):
        Cipher("short")
