"""Every conversation in tests/dialogs/smtp goes as it is written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.smtp.dialog import play
from tests.api.smtp.running import RunningDoor

FOLDER = Path(__file__).parents[2] / "dialogs" / "smtp"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_the_conversation_goes_as_written(door: RunningDoor, name: str) -> None:
    play(door, FOLDER / f"{name}.txt")
