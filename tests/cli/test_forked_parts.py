"""The parts of `hourpost up`: a fork is called by its function, a process of its own by its words."""

from __future__ import annotations

import importlib
import inspect

import pytest
from typer.testing import CliRunner

from hourpost.cli import main
from hourpost.cli.parts import PARTS, Options, words_of

_ALL = [*PARTS.items(), ("worker", {"number": 2})]


def test_words() -> None:
    assert words_of("worker", {"with_scheduler": True, "number": 3}) == (
        "worker",
        "--with-scheduler",
        "--number",
        "3",
    )


@pytest.mark.parametrize(("command", "options"), _ALL)
def test_part_is_known_by_both(command: str, options: Options) -> None:
    work = getattr(importlib.import_module(f"hourpost.cli.{command}"), command)
    inspect.signature(work).bind(**options)

    said = CliRunner().invoke(main, [*words_of(command, options), "--help"])

    assert said.exit_code == 0, said.output
