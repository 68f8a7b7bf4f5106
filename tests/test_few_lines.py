"""What was only counted is told at the end of a process, however it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

_COUNTING = """
import asyncio, os, sys, types
from hourpost.cli.parts import live
from hourpost.few_lines import FewLines

async def count():
    lines = FewLines(lambda more: print(more, flush=True))
    for _ in range(25):
        lines.has_line("sent")

part = types.ModuleType("hourpost.cli.counting")
part.counting = lambda: asyncio.run(count())
sys.modules[part.__name__] = part
"""


@pytest.mark.parametrize("ending", ["part.counting()", "live('counting', {}); os._exit(0)"])
def test_the_last_sum_is_told(ending: str) -> None:
    code = [sys.executable, "-c", _COUNTING + ending]
    said = subprocess.run(code, check=False, capture_output=True, text=True, timeout=60)
    assert (said.stdout, said.returncode) == ("{'sent': 5}\n", 0), said.stderr
