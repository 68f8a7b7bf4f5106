"""The pages of who pays, timed with a Stripe of the tests beside the product."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from bench.instance import Instance
from bench.web_visit import log_in, time_page, visit
from tests.fakes.stripe_server import KEY, SECRET, FakeStripe, run_fake_stripe

PAID_PAGES = {"plan, paid": "/app/plan", "a change of plan": "/app/plan/change?to=skilled"}
_PATIENCE_SECONDS = 60


def time_paid_pages(instance: Instance, email: str, password: str) -> dict[str, float]:
    """Milliseconds for each page, once the owner has bought a plan; starts the product anew before and after."""
    with run_fake_stripe() as stripe, _selling(instance, stripe), visit(instance.ports["HTTP"]) as http:
        log_in(http, email, password)
        checkout = http.post("/app/plan/checkout", data={"to": "path", "nonce": "once"}).headers["location"]
        http.get(stripe.pay(checkout))
        _wait_for_plan(http)
        return {name: time_page(http, path) for name, path in PAID_PAGES.items()}


@contextmanager
def _selling(instance: Instance, stripe: FakeStripe) -> Iterator[None]:
    before = instance.settings
    keys = {"SECRET_KEY": KEY, "WEBHOOK_SECRET": SECRET, "API_URL": stripe.base}
    _start_anew(instance, before | {f"STRIPE_{name}": value for name, value in keys.items()})
    try:
        yield
    finally:
        _start_anew(instance, before)


def _start_anew(instance: Instance, settings: dict[str, str]) -> None:
    instance.stop()
    instance.settings = settings
    instance.start()


def _wait_for_plan(http: httpx.Client) -> None:
    ends_at = time.monotonic() + _PATIENCE_SECONDS
    while "Cancel the plan" not in http.get("/app/plan").text:
        if time.monotonic() > ends_at:
            raise RuntimeError("the plan that was paid did not begin")
        time.sleep(0.2)
