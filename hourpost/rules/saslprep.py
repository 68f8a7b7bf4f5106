"""SASLprep (RFC 4013): the one spelling of a password that both ends of SCRAM compute with."""

from __future__ import annotations

import stringprep
import unicodedata

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """The text as it is compared. Raises: ValueError for what no client can prepare."""
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if any(is_in(char) for char in prepared for is_in in _PROHIBITED):
        raise ValueError("a character that SASLprep prohibits")
    _check_direction(prepared)
    return prepared


def _check_direction(text: str) -> None:
    """What is written from right to left stays so from its first character to its last (RFC 3454 §6)."""
    is_leftward = any(stringprep.in_table_d1(char) for char in text)
    if not is_leftward:
        return
    has_ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    if not has_ends or any(stringprep.in_table_d2(char) for char in text):
        raise ValueError("a text of both directions")
