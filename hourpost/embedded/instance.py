"""The running instance of a home: how its parts, and commands beside them, reach its servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil

from hourpost.embedded.secrets import write_private
from hourpost.settings import Settings, load_settings

_FILE = "instance.json"


def write_instance(home: Path, values: dict[str, Any]) -> None:
    """Say how the running instance is reached: values of settings, and the supervisor's ``pid``."""
    write_private(home / _FILE, json.dumps(values, indent=1) + "\n")


def remove_instance(home: Path) -> None:
    """Say that nothing runs here any more."""
    (home / _FILE).unlink(missing_ok=True)


def read_instance(home: Path) -> dict[str, Any]:
    """What the running instance wrote; empty when nothing runs."""
    try:
        found = json.loads((home / _FILE).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def instance_settings() -> Settings:
    """The settings, with what is not set taken from the running instance of the home."""
    return _with_instance(load_settings())


def instance_settings_of(home: Path) -> Settings:
    """The same for another home than the environment names."""
    return _with_instance(load_settings(home=home))


def _with_instance(settings: Settings) -> Settings:
    running = read_instance(settings.home)
    if not running or not psutil.pid_exists(int(running.get("pid", 0))):
        return settings
    known = {name: value for name, value in running.items() if name in Settings.model_fields}
    known = {name: value for name, value in known.items() if name not in settings.model_fields_set}
    return load_settings(**{**known, "home": settings.home})
