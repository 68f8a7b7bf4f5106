"""The commands that run a part, without what they need."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("part", ["web", "worker", "scheduler", "smtp", "imap", "pop3", "migrate"])
def test_a_part_without_servers_says_which_settings_are_missing(
    hourpost: Run, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOURPOST_DATABASE_URL")
    done = hourpost(part)
    assert done.exit_code == 2
    assert "HOURPOST_DATABASE_URL" in done.error
