"""Sets of numbers, and names of folders in modified UTF-7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourpost.rules.mail.folder_names import FolderNameError, decode_folder_name, encode_folder_name
from hourpost.rules.mail.sets import SequenceSet, SetError, merge_ranges, parse_set
from tests.rules.mail.searching import is_in


@pytest.mark.parametrize(
    ("written", "last", "ranges"),
    [
        ("1", 9, [(1, 1)]),
        ("2,4:7,9,12:*", 15, [(2, 2), (4, 7), (9, 9), (12, 15)]),
        ("*", 7, [(7, 7)]),
        ("*:4,5:7", 10, [(4, 10)]),
        ("559:*", 500, [(500, 559)]),
        ("3:1", 9, [(1, 3)]),
        ("1:4294967295", 3, [(1, 4294967295)]),
        ("5,1,2,3,3:4", 9, [(1, 5)]),
        ("1:*", 0, [(0, 1)]),
    ],
)
def test_a_set_is_ranges(written: str, last: int, ranges: list[tuple[int, int]]) -> None:
    assert parse_set(written).resolve(last) == ranges


@pytest.mark.parametrize("written", ["", "0", "a", "1,", ",1", "1:", ":1", "1:2:3", "**", "4294967296", "01", "-1", "1 ", "$", "1\n"])  # noqa: E501 # fmt: skip
def test_what_is_no_set_is_refused(written: str) -> None:
    with pytest.raises(SetError):
        parse_set(written)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5))), st.integers(1, 50))
def test_merged_ranges_hold_the_same_numbers(pairs: list[tuple[int, int]], number: int) -> None:
    ranges = [(low, low + size) for low, size in pairs]
    assert is_in(merge_ranges(ranges), number) == is_in(ranges, number)


def test_a_star_makes_a_set_depend_on_the_last_number() -> None:
    assert parse_set("1,2:*").has_star
    assert not SequenceSet(((1, 2),)).has_star


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("INBOX", b"INBOX"),
        ("Tom & Jerry", b"Tom &- Jerry"),
        ("Entwürfe", b"Entw&APw-rfe"),
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("&ü&", b"&-&APw-&-"),
        ("😀", b"&2D3eAA-"),
        ("a\tb", b"a&AAk-b"),
        ("", b""),
    ],
)
def test_a_name_has_one_form_in_modified_utf_7(name: str, encoded: bytes) -> None:
    assert encode_folder_name(name) == encoded
    assert decode_folder_name(encoded) == name


@pytest.mark.parametrize("encoded", [b"&", b"a&b", b"&AGE-", b"&APw", b"&APw-&APw-", b"&AP-", b"&2D0-", b"&APx-", b"\xc3\xbc", b"a\tb", b"&APw=-", b"&&-"])  # noqa: E501 # fmt: skip
def test_another_form_of_a_name_is_refused(encoded: bytes) -> None:
    with pytest.raises(FolderNameError):
        decode_folder_name(encoded)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_name_comes_back(name: str) -> None:
    assert decode_folder_name(encode_folder_name(name)) == name
