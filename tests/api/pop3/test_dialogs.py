"""Every conversation in tests/dialogs/pop3 goes as it is written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.pop3.dialog import play
from tests.api.pop3.people import Person
from tests.api.pop3.running import RunningDoor

FOLDER = Path(__file__).parents[2] / "dialogs" / "pop3"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_the_conversation_goes_as_written(door: RunningDoor, person: Person, name: str) -> None:
    play(door, person, FOLDER / f"{name}.txt")
