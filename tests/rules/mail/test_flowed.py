"""Lines that were broken softly are one again."""

from __future__ import annotations

import pytest

from hourpost.rules.mail.flowed import join_flowed


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("one \ntwo\nthree", "one two\nthree"),
        ("one\ntwo", "one\ntwo"),
        ("> one \n> two\n>> three \n>> four", "> one two\n>> three four"),
        ("> one \nmine", "> one \nmine"),  # never over a change of depth
        (" >not quoted \nso", ">not quoted so"),  # stuffed
        (" From here \non", "From here on"),
        ("so \n-- \nAda", "so \n-- \nAda"),  # the mark of a signature is no soft line
        ("> one\n>\n> two", "> one\n>\n> two"),
        ("", ""),
        ("end ", "end "),
    ],
)
def test_soft_lines_are_joined_and_hard_ones_stay(text: str, joined: str) -> None:
    assert join_flowed(text) == joined


def test_where_the_space_came_with_the_break_it_goes_with_it() -> None:
    assert join_flowed("\u5929 \n\u5730", drops_space=True) == "\u5929\u5730"
