"""How the web inbox writes people and plain text."""

from __future__ import annotations

import pytest

from api.web.dashboard.mail.letters import file_name, folder_name, letter, people, person
from hourpost.mailboxes.correspondents import read_people
from hourpost.mailboxes.reading import AttachedFile
from hourpost.rules.addresses import parse_address_list
from hourpost.rules.mail.scan import scan


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


@pytest.mark.parametrize(("text", "shown"), [("broken@MISSING_DOMAIN", "broken"), ("Ada <ada@MISSING_DOMAIN>", "Ada")])
def test_an_address_without_a_domain_is_told_without_ours_for_it(text: str, shown: str) -> None:
    assert people(text) == shown


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("../../etc/passwd", "text/plain", "passwd"),
        ("C:\\Users\\ada\\plan.txt", "text/plain", "plan.txt"),
        ("\U0001f389 party.txt", "text/plain", "\U0001f389 party.txt"),
        ("a\u202egnp.exe", "text/plain", "agnp.exe"),
        ("\u2066\u2067\u2068\u2069\u202a\u202d\u200e\u200f\u061ca.\u202bpdf", "text/plain", "a.pdf"),
        ("\u202e", "application/pdf", "part-2"),
        (None, "text/calendar", "invitation.ics"),
        ("..", "application/pdf", "part-2"),
    ],
)
def test_a_file_is_called_by_its_name_without_a_path(name: str | None, kind: str, shown: str) -> None:
    assert file_name(AttachedFile("2", name, kind, None, 1, is_inline=False, written_type=kind)) == shown


@pytest.mark.parametrize(
    ("header", "shown", "offered"),
    [
        ("=?utf-8?q?M=C3=BCller=2C_J=C3=B6rg?= <j@far.test>", "Müller, Jörg", '"Müller, Jörg" <j@far.test>'),
        ('"Boss <boss@bank.test>" <eve@far.test>', "Boss <boss@bank.test>", '"Boss <boss@bank.test>" <eve@far.test>'),
        ("=?utf-8?q?boss=40bank=2Etest?= <eve@far.test>", "boss@bank.test", '"boss@bank.test" <eve@far.test>'),
        (r'"The \"b\" \\ team" <b@far.test>', 'The "b" \\ team', r'"The \"b\" \\ team" <b@far.test>'),
        ("ada@far.test (Ada, L)", "Ada, L", '"Ada, L" <ada@far.test>'),
    ],
)
def test_a_name_is_never_taken_for_an_address(header: str, shown: str, offered: str) -> None:
    listed = scan(f"From: {header}\r\n\r\nx".encode()).from_text
    assert people(listed) == shown
    assert [one.text for one in read_people(listed)] == [offered]
    assert [one.text for one in parse_address_list(offered)] == [offered]
    assert person(listed).count("<strong>") == 1
    assert f"&lt;{offered[offered.rindex('<') + 1 : -1]}&gt;</span>" in person(listed)


def test_people_of_old_scans_are_offered_too() -> None:
    found = read_people("Müller, Jörg <j@far.test>, bob@far.test, O'Neil <o@far.test>")
    assert [one.spec for one in found] == ["j@far.test", "bob@far.test", "o@far.test"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Work", "Work"),
        ("Jahr 2026/\u845b", "Jahr 2026/\u845b"),
        ("\u200b", "[U+200B]"),
        ("Trash\u200b", "Trash[U+200B]"),
        ("\u202egp.xfdp", "[U+202E]gp.xfdp"),
        ("  ", "[U+0020][U+0020]"),
        ("\u3164", "[U+3164]"),
        ("INBOX", "Inbox"),
        ("100\u00a0%", "100\u00a0%"),
        ("\u00a0", "[U+00A0]"),
    ],
)
def test_what_cannot_be_seen_of_a_folders_name_is_written_out(name: str, shown: str) -> None:
    assert folder_name(name) == shown
