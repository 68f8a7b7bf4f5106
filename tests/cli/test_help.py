"""Help of every command: lines break where the terminal ends, and there is nothing but what is ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from hourpost.cli import _COMMANDS, main
from hourpost.cli.faults import list_faults, of_every_part
from hourpost.settings import load_settings


def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for below, one in getattr(command, "commands", {}).items():
        yield from walk(f"{name} {below}", one)


def test_every_command_says_what_it_does_in_paragraphs_without_lines_of_our_source() -> None:
    group: Any = typer.main.get_command(main)
    commands = [pair for name in _COMMANDS for pair in walk(name, group.get_command(None, name))]
    assert len(commands) > 40
    for name, command in commands:
        paragraphs = command.help.split("\n\n")
        assert paragraphs[0].endswith((".", "?")), name
        assert not any("\n" in paragraph for paragraph in paragraphs), name
        assert all(paragraph.find("Example: ") < 1 for paragraph in paragraphs), name
        assert not {one.name for one in command.params} & {"install_completion", "show_completion"}, name


def test_it_knows_its_version() -> None:
    done = CliRunner().invoke(main, ["--version"])
    assert done.exit_code == 0
    assert re.fullmatch(r"hourpost \d+\.\d+\S*\n", done.output)


def test_a_slip_is_told_what_was_meant() -> None:
    done = CliRunner().invoke(main, ["acount", "list"])
    assert done.exit_code == 2
    assert "Did you mean account?" in done.stderr


def test_settings_that_cannot_be_are_told_in_our_words_all_of_them_and_without_what_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("HTTP_PORT", "abc"), ("SMTP_PORT", "70000"), ("WORKERS", "0"), ("LOG_FORMAT", "abc")):
        monkeypatch.setenv(f"HOURPOST_{name}", value)
    done = CliRunner().invoke(main, ["queue", "show"])
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "error: HOURPOST_HTTP_PORT: a whole number is wanted",
        "error: HOURPOST_SMTP_PORT: 65535 or less is wanted",
        "error: HOURPOST_LOG_FORMAT: one of console, json is wanted",
        "error: HOURPOST_WORKERS: 1 or more is wanted",
    ]


def test_the_shell_completes_commands_and_what_is_below_them() -> None:
    def complete(line: str) -> set[str]:
        asked = {"_HOURPOST_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        done = subprocess.run(
            [sys.executable, "-c", "from hourpost.cli import main; main(prog_name='hourpost')"],
            env={**os.environ, **asked},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return set(done.stdout.split())

    assert complete("hourpost mailb") == {"mailbox"}
    assert {"create", "list", "plan"} <= complete("hourpost account ")


def test_a_value_that_is_none_of_the_choices_is_told_in_our_words() -> None:
    told = CliRunner().invoke(main, ["health", "door"]).stderr
    assert "'door' is not one of 'web'" in told
    assert "Value error" not in told


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1", "[::1]", "a..b"])
def test_an_address_that_is_none_of_this_machine_is_told_by_its_setting(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOURPOST_HOST", host)
    (fault,) = list_faults(load_settings(), of_every_part)
    assert fault.startswith(f"HOURPOST_HOST: {host!r} is no address of this machine")
