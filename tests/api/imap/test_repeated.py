"""Commands that clients say again and again are read once; nobody can tell."""

from __future__ import annotations

import pytest

from api.imap.grammar.commands import BadLine, Command, read_command
from api.imap.grammar.folders import Select, Status
from api.imap.grammar.framing import CommandText


@pytest.mark.parametrize("tag", [b"a1", b"a2"])
@pytest.mark.parametrize(
    ("said", "name", "argument"),
    [
        (b"NOOP", "NOOP", None),
        (b"noop ", "NOOP", None),
        (b"STATUS INBOX (MESSAGES UIDNEXT)", "STATUS", Status("INBOX", ("MESSAGES", "UIDNEXT"))),
        (b"status inbox (messages)", "STATUS", Status("inbox", ("MESSAGES",))),
        (b'EXAMINE "A b" (CONDSTORE)', "EXAMINE", Select("A b", is_condstore=True)),
    ],
)
def test_a_repeated_command_has_its_own_tag_and_the_same_argument(tag, said, name, argument):
    assert read_command(CommandText(tag + b" " + said)) == Command(tag, name, argument)


def test_a_name_means_what_it_means_to_this_client():
    modified, utf8 = CommandText(b"a SELECT &AOQ-"), CommandText('a SELECT "ä"'.encode())
    assert read_command(modified).argument == Select("ä")
    assert read_command(modified, is_utf8=True).argument == Select("&AOQ-")
    assert read_command(utf8, is_utf8=True).argument == Select("ä")
    with pytest.raises(BadLine):
        read_command(utf8)


@pytest.mark.parametrize("tag", [b"a", b"longer"])
def test_what_cannot_be_read_is_said_where_in_the_line(tag):
    with pytest.raises(BadLine, match=f"at byte {len(tag) + 6} of") as caught:
        read_command(CommandText(tag + b" NOOP now"))
    assert caught.value.tag == tag


@pytest.mark.parametrize("line", [b"* NOOP", b"a+b NOOP", b" NOOP", b"a  NOOP"])
def test_a_tag_that_is_none_is_refused(line):
    with pytest.raises(BadLine):
        read_command(CommandText(line))
