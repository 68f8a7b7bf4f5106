"""The hour's meter: right when it is asked, and asked often enough to be right within five seconds."""

from __future__ import annotations

import re
from pathlib import Path

from api.web import dashboard
from tests.api.web.dashboard.people import Surfer, text_of

MOST_MS = 5000


def test_every_page_has_the_meter_which_asks_for_itself(owner: Surfer) -> None:
    for path in ("/app", "/app/emails", "/app/domains", "/app/mailboxes", "/app/plan", "/app/you"):
        page = owner.get(path).text
        assert 'id="meter"' in page, path
        assert 'hx-get="/app/hour" hx-trigger="tick from:body"' in page, path
    assert "this hour" in text_of(owner.get("/app/hour"))


def test_a_tick_leaves_time_for_the_answer() -> None:
    script = (Path(dashboard.__file__).parent / "assets" / "src" / "app.js").read_text()
    found = re.search(r"^const TICK_MS = (\d+);$", script, re.MULTILINE)
    assert found
    assert int(found[1]) < MOST_MS
