"""How the web inbox writes people and plain text."""

from __future__ import annotations

import pytest

from api.web.dashboard.mail.letters import letter, people, person


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ada Lovelace <ada@far.test>", "Ada Lovelace"),
        ("ada@far.test", "ada@far.test"),
        ('"Lovelace, Ada" <ada@far.test>, bob@far.test', "Lovelace, Ada, bob@far.test"),
        ("undisclosed", "undisclosed"),
        ("", ""),
    ],
)
def test_people_have_names(text: str, shown: str) -> None:
    assert people(text) == shown


def test_who_wrote_is_escaped() -> None:
    assert person("<b> <ada@far.test>") == "<strong>&lt;b&gt; &lt;ada@far.test&gt;</strong>"
    assert "&lt;ada@far.test&gt;" in person("Ada <ada@far.test>")


def test_links_lead_there_and_nothing_else_is_markup() -> None:
    shown = letter("see https://far.test/a?b=1&c=<2>. <script>\n> you wrote")
    assert 'href="https://far.test/a?b=1&amp;c="' in shown or 'href="https://far.test/a?b=1&amp;c"' in shown
    assert "<script>" not in shown
    assert '<span class="mail-quoted">&gt; you wrote</span>' in shown
