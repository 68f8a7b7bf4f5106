"""Pages for everybody."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import pytest

from api.smtp.message import read_submitted
from api.web.dashboard.pricing import forecast, read_count
from hourpost.rules.plans import PLANS
from hourpost.rules.submission import OnLimit
from tests.api.web.dashboard.people import Surfer, text_of


def test_pricing_names_every_plan_with_its_price_and_its_hour(nobody: Surfer) -> None:
    said = text_of(nobody.get("/pricing"))
    for name, price, hour in (("Path", 50, "1,000"), ("Normal", 145, "1,500"), ("Premium", 185, "3,000")):
        assert f"{name} ${price} a month {hour} emails an hour" in said
    assert "Skilled $225 a month 5,000 emails an hour" in said


@pytest.mark.parametrize(
    ("plan", "count", "hours"),
    [("path", 1, 0), ("path", 1000, 0), ("path", 1001, 1), ("path", 10_000, 9), ("skilled", 10_000, 1)],
)
def test_the_forecast_is_the_hour_s_own_arithmetic(plan: str, count: int, hours: int) -> None:
    assert forecast(PLANS[plan], count).seconds == hours * 3600


def test_the_forecast_answers_without_a_script_and_in_part_with_one(nobody: Surfer) -> None:
    whole = nobody.get("/pricing?emails=10%2C000")
    part = nobody.get("/pricing?emails=10000", **{"HX-Request": "true"})
    assert "10,000 emails would take" in text_of(whole)
    assert "after 9 hours" in text_of(part)
    assert "<html" not in part.text


@pytest.mark.parametrize("text", ["", "many", "-5", "0", "1e9", "99999999999999", "²"])
def test_what_is_no_number_of_emails_is_answered_with_an_example(nobody: Surfer, text: str) -> None:
    assert read_count(text) is None
    assert "10,000 emails would take" in text_of(nobody.get("/pricing"))


def test_help_has_the_ports_of_this_installation(nobody: Surfer) -> None:
    said = text_of(nobody.get("/help/mail-programs"))
    for port in ("2993", "2995", "2465"):
        assert port in said
    for language in ("Python", "Node.js", "PHP", "Ruby", "Go", "curl"):
        assert f"<summary>{language}</summary>" in nobody.get("/help").text


def test_the_headers_that_help_names_are_understood_and_taken_out(nobody: Surfer) -> None:
    named = re.findall(r"<dt><code>([A-Z][\w-]+: [^<]+)</code>", nobody.get("/help").text)
    head = "From: a@acme.test\r\n" + "".join(f"{unescape(one)}\r\n" for one in named)
    message, wishes = read_submitted(f"{head}\r\nHello\r\n".encode(), datetime(2026, 11, 30, tzinfo=UTC))
    assert (message.idempotency_key, message.tags) == ("order-7", [{"name": "kind", "value": "receipt"}])
    assert (message.metadata, wishes.on_limit) == ({"order": 7}, OnLimit.REJECT)
    assert wishes.scheduled_at == datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert wishes.expires_at == datetime(2026, 12, 1, 10, tzinfo=UTC)
    assert b"X-" not in message.raw
