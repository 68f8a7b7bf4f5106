"""The words of a page, and where its links lead."""

from __future__ import annotations

import time

import pytest

from hourpost.rules.mail.page_lines import read_lines
from hourpost.rules.mail.safe_html import make_safe_html


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (
            '<p>Please <a href="https://pay.example/x">pay <b>here</b></a>.</p>',
            "Please pay here <https://pay.example/x>.",
        ),
        ('<a href="https://far.test/?a=1&amp;b=&lt;2&gt;">x</a>', "x <https://far.test/?a=1&b=<2>>"),
        (
            '<a href="https://far.test/">https://far.test</a> <a href="https://far.test">far.test/</a>',
            "https://far.test far.test/",
        ),
        ('<a href="https://evil.test/">https://bank.test</a>', "https://bank.test <https://evil.test/>"),
        ('<a href="mailto:bob@far.test?subject=x">Bob</a>', "Bob <bob@far.test>"),
        ('<a href="mailto:bob@far.test">bob@far.test</a>, <a href="tel:+491">+491</a>', "bob@far.test, +491"),
        (
            '<a href="https://far.test/"><img src="https://far.test/a.png" alt="Pay &lt;now&gt;"></a>',
            "Pay <now> <https://far.test/>",
        ),
        ('<a href="https://far.test/"><img src="https://far.test/a.png"></a>', "<https://far.test/>"),
        ('<a href="https://far.test/"> <b></b> </a>end', "end"),
        (
            '<a href="https://a.test/1">one<a href="https://a.test/2">two',
            "one <https://a.test/1>two <https://a.test/2>",
        ),
        ('<a href="javascript:alert(1)">no</a> <a name="top">top</a>', "no top"),
        ("<p>a &lt;b&gt;</p><p>c</p>", "a <b>\n\nc"),
    ],
)
def test_links_are_written_out_behind_their_words(page: str, shown: str) -> None:
    assert read_lines(make_safe_html(page, {}).html, with_links=True).strip() == shown


@pytest.mark.parametrize("piece", ['<a href="https://far.test/">', "<a href=x>x", "</a>", "<img alt='x'>", "&lt;", "<"])
def test_links_without_an_end_take_no_time(piece: str) -> None:
    begun = time.monotonic()
    read_lines(piece * (200_000 // len(piece)), with_links=True)
    assert time.monotonic() - begun < 5
