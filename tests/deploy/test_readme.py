"""The README names only checks, commands and variables that exist."""

from __future__ import annotations

import re
from pathlib import Path

from hourpost.cli import _COMMANDS
from hourpost.settings import Settings, is_secret

_ROOT = Path(__file__).resolve().parents[2]
_README = (_ROOT / "README.md").read_text()


def test_every_check_that_it_names_exists() -> None:
    tests = "\n".join(path.read_text() for path in (_ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", _README):
        assert f"def {name}(" in tests, name
    for path in re.findall(r"`((?:tests|deploy)/[\w./]+)`", _README):
        assert path in ("deploy/hourpost.env", "deploy/tls/") or (_ROOT / path).exists(), path


def test_every_command_and_variable_that_it_names_exists() -> None:
    assert set(re.findall(r"\bhourpost (\w+)", _README)) <= set(_COMMANDS)
    files = {f"{name}_file" for name, field in Settings.model_fields.items() if is_secret(field)}
    assert {name.lower() for name in re.findall(r"HOURPOST_([A-Z_]+)", _README)} <= set(Settings.model_fields) | files
