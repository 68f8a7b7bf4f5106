"""The file with the secrets of the first account; its own module, so that reading it imports nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hourpost.embedded.secrets import write_private

_FILE = "first-steps.json"


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What a newcomer needs to send the first email."""

    email: str
    password: str
    api_key: str
    test_key: str
    smtp_username: str
    smtp_password: str
    domain: str


def read_first_steps(home: Path) -> FirstSteps | None:
    """What an earlier run wrote down, None when there is nothing that can be used."""
    try:
        return FirstSteps(**json.loads((home / _FILE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_first_steps(home: Path, steps: FirstSteps) -> None:
    """Keep them for later runs, in a file that only its owner reads."""
    write_private(home / _FILE, json.dumps(asdict(steps), indent=1) + "\n")
