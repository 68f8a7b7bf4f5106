"""Every conversation in tests/dialogs/imap goes as it is written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.imap.conftest import Box
from tests.api.imap.dialog import Play
from tests.api.imap.running import RunningDoor

FOLDER = Path(__file__).parents[2] / "dialogs" / "imap"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_the_conversation_goes_as_written(door: RunningDoor, other_door: RunningDoor, box: Box, name: str) -> None:
    Play((door, other_door), box.address, box.password).run(FOLDER / f"{name}.txt")
