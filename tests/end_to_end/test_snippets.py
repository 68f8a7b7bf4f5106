"""What the help and the pages of secrets offer to paste works as it stands, where the language is on this machine."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from api.web.dashboard.snippets import api_snippets, smtp_snippets
from hourpost.settings import Settings
from tests.embedded.running import eventually
from tests.end_to_end.conftest import Service
from tests.end_to_end.scene import first_steps, get

RUN = {
    "curl": ("sh", "-c"),
    "swaks": ("sh", "-c"),
    "Python": (sys.executable, "-c"),
    "Node.js": ("node", "--input-type=module", "-e"),
}


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
    [("api", "curl"), ("api", "Python"), ("api", "Node.js"), ("smtp", "swaks"), ("smtp", "Python")],
)
def test_what_is_pasted_sends(service: Service, kind: str, language: str) -> None:
    program = language if language == "swaks" else RUN[language][0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    before = count_sent(service, kind)
    snippet = snippets_of(service, kind)[language]
    done = subprocess.run([*RUN[language], snippet], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    eventually(lambda: count_sent(service, kind) == before + 1)


def test_there_are_six_languages_for_each(service: Service) -> None:
    assert len(snippets_of(service, "api")) == len(snippets_of(service, "smtp")) == 6
