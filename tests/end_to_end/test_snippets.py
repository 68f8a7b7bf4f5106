"""What the help and the pages of secrets offer to paste works as it stands, where the language is on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from api.web.dashboard.snippets import api_snippets, smtp_snippets
from hourpost.settings import Settings
from tests.embedded.running import eventually
from tests.end_to_end.conftest import Service
from tests.end_to_end.scene import first_steps, get

PROGRAMS = Path(sys.executable).parent  # where the wheel of Node puts it, for machines that have none
RUN = {
    "curl": ("sh", "-c"),
    "swaks": ("sh", "-c"),
    "Python": (sys.executable, "-c"),
    "Node.js": ("node", "--input-type=module", "-e"),
}
RUN_FILE = {"PHP": ("php", "send.php"), "Ruby": ("ruby", "send.rb"), "Go": ("go", "run", "send.go")}
CHECK_FILE = {
    "Node.js": ("node", "--check", "send.mjs"),
    "PHP": ("php", "-l", "send.php"),
    "Ruby": ("ruby", "-c", "send.rb"),
    "Go": ("gofmt", "-e", "-d", "send.go"),
}


def run(words: Sequence[str], folder: Path) -> str:
    """What it says; skips where there is no such program."""
    program = shutil.which(words[0], path=os.pathsep.join((os.environ["PATH"], str(PROGRAMS))))
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run([program, *words[1:]], cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def snippets_of(service: Service, kind: str) -> dict[str, str]:
    ports, steps = service.up.ports, first_steps(service.up)
    settings = Settings(
        _env_file=None,
        http_port=ports["HTTP"],
        submission_port=ports["SUBMISSION"],
        submissions_port=ports["SUBMISSIONS"],
    )
    sender = f"{kind}@{steps['domain']}"
    if kind == "api":
        return api_snippets(settings, sender, steps["api_key"])
    return smtp_snippets(settings, sender, steps["smtp_username"], steps["smtp_password"])


def count_sent(service: Service, kind: str) -> int:
    domain = first_steps(service.up)["domain"]
    return len(get(service.up, f"/v1/emails?from={kind}@{domain}&limit=100")["data"])


@pytest.mark.parametrize(
    ("kind", "language"),
    [*(("api", one) for one in ("curl", "Python", "Node.js", *RUN_FILE)), ("smtp", "swaks"), ("smtp", "Python")],
)
def test_what_is_pasted_sends(service: Service, tmp_path: Path, kind: str, language: str) -> None:
    snippet = snippets_of(service, kind)[language]
    before = count_sent(service, kind)
    if language in RUN_FILE:
        words = RUN_FILE[language]
        (tmp_path / words[-1]).write_text(snippet)
    else:
        words = (*RUN[language], snippet)
    run(words, tmp_path)
    eventually(lambda: count_sent(service, kind) == before + 1)


@pytest.mark.parametrize("language", CHECK_FILE)
def test_what_cannot_run_here_is_at_least_well_formed(service: Service, tmp_path: Path, language: str) -> None:
    (tmp_path / CHECK_FILE[language][-1]).write_text(snippets_of(service, "smtp")[language] + "\n")
    said = run(CHECK_FILE[language], tmp_path)
    assert language != "Go" or said == ""  # what gofmt would write otherwise


def test_there_are_six_languages_for_each(service: Service) -> None:
    assert len(snippets_of(service, "api")) == len(snippets_of(service, "smtp")) == 6
