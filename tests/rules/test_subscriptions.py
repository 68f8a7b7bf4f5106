"""What subscriptions entitle to: a table of cases, and what holds for all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourpost.rules.plans import PLANS
from hourpost.rules.subscriptions import GRACE, NOTHING, Entitlement, Price, Subscription, judge

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
STATUSES = ("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired", "canceled", "new")


def subscription(status: str, plan: str | None = "path", **changes: object) -> Subscription:
    fields = {
        "id": f"sub_{status}_{plan}",
        "customer_id": "cus_1",
        "status": status,
        "created_at": NOW - 40 * DAY,
        "item_id": "si_1",
        "price": Price(f"price_{plan}", plan),
        "period_start": NOW - 10 * DAY,
        "period_end": NOW + 20 * DAY,
    }
    return Subscription(**fields | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "plan", "ends_at"),
    [
        ([], None, None),
        ([subscription("active")], "path", NOW + 20 * DAY + GRACE),
        ([subscription("trialing")], "path", NOW + 20 * DAY + GRACE),
        ([subscription("active", ends_at=NOW + DAY)], "path", NOW + DAY),
        ([subscription("active", ends_at=NOW)], None, None),
        ([subscription("active", ends_at=NOW + 300 * DAY)], "path", NOW + 20 * DAY + GRACE),
        ([subscription("active", period_end=NOW - 6 * DAY)], "path", NOW + DAY),
        ([subscription("active", period_end=NOW - 7 * DAY)], None, None),
        ([subscription("past_due", invoice_created_at=NOW - 2 * DAY)], "path", NOW + 5 * DAY),
        ([subscription("past_due", invoice_created_at=NOW - 7 * DAY)], None, None),
        ([subscription("past_due", invoice_created_at=NOW, ends_at=NOW + DAY)], "path", NOW + DAY),
        *[([subscription(status)], None, None) for status in STATUSES[3:]],
        ([subscription("active"), subscription("active", "skilled")], "skilled", NOW + 20 * DAY + GRACE),
        ([subscription("active"), subscription("unpaid", "skilled")], "path", NOW + 20 * DAY + GRACE),
        ([subscription("canceled", "skilled"), subscription("active")], "path", NOW + 20 * DAY + GRACE),
    ],
)
def test_what_subscriptions_entitle_to(found: list[Subscription], plan: str | None, ends_at: datetime | None) -> None:
    entitlement = judge(found, NOTHING, None, NOW).entitlement
    assert (entitlement.plan, entitlement.ends_at) == (plan, ends_at)


def test_an_unknown_price_keeps_the_plan_and_alerts() -> None:
    judgement = judge([subscription("active", None)], NOTHING, "premium", NOW)
    assert judgement.entitlement.plan == "premium"
    assert [kind for kind, _ in judgement.alerts] == ["unknown_price"]


def test_the_grace_runs_from_the_first_failure_that_was_seen() -> None:
    before = Entitlement("path", "past_due", NOW + DAY, "sub_past_due_path", NOW - 6 * DAY)
    found = [subscription("past_due", invoice_created_at=NOW)]
    assert judge(found, before, "path", NOW).entitlement == before


_any = st.builds(
    subscription,
    st.sampled_from(STATUSES),
    st.sampled_from([*PLANS, None]),
    id=st.uuids().map(str),
    period_end=st.integers(-20, 31).map(lambda days: NOW + days * DAY),
    ends_at=st.none() | st.integers(-20, 31).map(lambda days: NOW + days * DAY),
    invoice_created_at=st.none() | st.integers(-20, 0).map(lambda days: NOW + days * DAY),
)


@given(st.lists(_any, max_size=5), st.randoms(use_true_random=False), st.sampled_from([*PLANS, None]))
def test_the_order_does_not_matter_and_nothing_is_given_for_ever(
    found: list[Subscription], random: object, plan: str | None
) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (judge(some, NOTHING, plan, NOW) for some in (found, shuffled))
    assert one.entitlement.plan == other.entitlement.plan
    if one.entitlement.plan is not None:
        assert one.entitlement.ends_at is not None
        latest = max(subscription.period_end for subscription in found)
        assert NOW < one.entitlement.ends_at <= max(latest, NOW) + GRACE
        assert any(subscription.status in ("active", "trialing", "past_due") for subscription in found)
