"""SASLprep, by the examples of RFC 4013 §3 and what is forbidden."""

from __future__ import annotations

import pytest

from hourpost.rules.saslprep import saslprep


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b\u3000c", "a b c"),
        ("gru\u0308n", "gr\u00fcn"),
        ("\u0627\u0661\u0628", "\u0627\u0661\u0628"),
        ("", ""),
    ],
)
def test_a_text_has_one_form(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "a\x7f", "\u0627\u0031", "\u0627a\u0628", "\ue000", "\ufffd", "\u200e"])
def test_what_nobody_can_prepare_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="character|directions"):
        saslprep(text)
