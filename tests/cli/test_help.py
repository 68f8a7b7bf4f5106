"""Help of every command: lines break where the terminal ends, and there is nothing but what is ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from hourpost.cli import _COMMANDS, main


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
