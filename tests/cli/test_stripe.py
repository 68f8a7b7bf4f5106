"""``hourpost stripe``: plans on sale, and one account read anew."""

from __future__ import annotations

import json

import pytest

from hourpost.rules.plans import PLANS
from tests.cli.conftest import Run
from tests.fakes.stripe_server import KEY, FakeStripe


@pytest.fixture
def stripe(hourpost: Run, fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> FakeStripe:
    """A Stripe that knows nothing yet."""
    fake_stripe.state.things.clear()
    monkeypatch.setenv("HOURPOST_STRIPE_SECRET_KEY", KEY)
    monkeypatch.setenv("HOURPOST_STRIPE_API_URL", fake_stripe.base)
    return fake_stripe


def test_the_plans_are_put_on_sale_and_a_second_time_changes_nothing(hourpost: Run, stripe: FakeStripe) -> None:
    first = hourpost("stripe", "sync-plans", "--json").json
    assert hourpost("stripe", "sync-plans", "--json").json == first
    prices = {one["lookup_key"]: one["unit_amount"] for one in stripe.state.all("price")}
    assert prices == {f"hourpost_{plan.name}_monthly": plan.price_cents for plan in PLANS.values()}
    assert {one["name"] for one in stripe.state.all("product")} == {f"Hourpost {p.title}" for p in PLANS.values()}


def test_a_new_price_takes_over_the_key_and_the_old_one_stays_known(hourpost: Run, stripe: FakeStripe) -> None:
    hourpost("stripe", "sync-plans")
    old = stripe.state.all("price", lookup_key="hourpost_path_monthly")[0]
    old["unit_amount"] = 4900
    hourpost("stripe", "sync-plans")
    new = stripe.state.all("price", lookup_key="hourpost_path_monthly")[0]
    assert (new["unit_amount"], old["lookup_key"], old["metadata"]) == (5000, None, {"hourpost_plan": "path"})


OTHER_PRICES = [
    ({"unit_amount": 9900}, "99.00 usd every 1 month"),
    ({"unit_amount": None}, "no fixed amount usd every 1 month"),
    ({"currency": "eur"}, "145.00 eur every 1 month"),
    ({"recurring": {"interval": "year", "interval_count": 1}}, "145.00 usd every 1 year"),
    ({"recurring": {"interval": "month", "interval_count": 3}}, "145.00 usd every 3 month"),
]


@pytest.mark.parametrize(("change", "words"), OTHER_PRICES)
def test_a_price_that_somebody_changed_by_hand_is_seen_and_replaced(
    hourpost: Run, stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], words: str
) -> None:
    monkeypatch.setenv("HOURPOST_STRIPE_WEBHOOK_SECRET", "whsec_x")

    def look() -> tuple[str, str]:
        checks = {check["name"]: check for check in json.loads(hourpost("doctor", "--json").output)["checks"]}
        return checks["stripe"]["status"], checks["stripe"]["text"]

    hourpost("stripe", "sync-plans")
    old = stripe.state.all("price", lookup_key="hourpost_normal_monthly")[0]
    old |= change | {"metadata": {}}
    assert look() == ("failed", f"hourpost_normal_monthly asks for {words}, the pages for 145.00 usd every 1 month")
    hourpost("stripe", "sync-plans")
    new = stripe.state.all("price", lookup_key="hourpost_normal_monthly")[0]
    assert (new["unit_amount"], new["currency"], new["recurring"]["interval"]) == (14500, "usd", "month")
    assert old["metadata"] == ({"hourpost_plan": "normal"} if "unit_amount" in change else {})
    assert look()[0] == "ok"


def test_without_a_key_there_is_no_stripe(hourpost: Run) -> None:
    done = hourpost("stripe", "sync-plans")
    assert done.exit_code == 1
    assert "HOURPOST_STRIPE_SECRET_KEY is not set" in done.error


def test_a_key_that_is_not_right_is_said(hourpost: Run, stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOURPOST_STRIPE_SECRET_KEY", "sk_test_of_another")
    done = hourpost("stripe", "sync-plans")
    assert done.exit_code == 1
    assert "AuthenticationError" in done.error
    assert "sk_test_of_another" not in done.error


def test_an_account_that_never_paid_has_nothing_to_read(hourpost: Run, stripe: FakeStripe, acme: str) -> None:
    assert "no customer" in hourpost("stripe", "sync", "--account", acme).error
    assert hourpost("stripe", "alerts").exit_code == 0


def test_the_doctor_misses_prices_and_webhooks(
    hourpost: Run, stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look() -> tuple[str, str]:
        checks = {check["name"]: check for check in json.loads(hourpost("doctor", "--json").output)["checks"]}
        return checks["stripe"]["status"], checks["stripe"].get("advice") or ""

    assert look() == ("failed", "run `hourpost stripe sync-plans`")
    hourpost("stripe", "sync-plans")
    assert look()[0] == "warning"
    monkeypatch.setenv("HOURPOST_STRIPE_WEBHOOK_SECRET", "whsec_x")
    assert look()[0] == "ok"
