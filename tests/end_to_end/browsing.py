"""Chromium as people have it, driven by Playwright; what it needs of the machine, and how one logs in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.embedded.running import RunningUp
from tests.end_to_end.people import NEWCOMER, PASSWORD
from tests.end_to_end.scene import MAILBOX, MAILBOX_PASSWORD, first_steps

# The first is the same engine without the windows around it, of which each profile would draw one that nobody sees.
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _BROWSERS)), None)
AXE = Path(__file__).parents[2] / "api" / "web" / "dashboard" / "assets" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 90_000  # for a machine that carries much else
SIZES: dict[str, ViewportSize] = {"desktop": {"width": 1280, "height": 860}, "phone": {"width": 390, "height": 844}}


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def new_context(browser: Browser, up: RunningUp, size: str = "desktop", **options: Any) -> BrowserContext:
    """A browser profile of its own; by name, because browsers bind no passkey to a number."""
    base = f"http://localhost:{up.ports['HTTP']}"
    is_phone = size == "phone"
    context = browser.new_context(
        base_url=base, viewport=SIZES[size], is_mobile=is_phone, has_touch=is_phone, locale="en-GB", **options
    )
    context.set_default_timeout(PATIENCE_MS)
    return context


def log_in(page: Page, email: str, password: str) -> None:
    """Through the form."""
    page.goto("/login")
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


def log_in_as(page: Page, up: RunningUp, who: str) -> None:
    """As one of those who look at ``pages.py``."""
    if who == "owner":
        log_in_first(page, up)
    elif who == "newcomer":
        log_in(page, NEWCOMER, PASSWORD)
        page.wait_for_url("**/app")
    elif who == "mailbox":
        page.goto("/mail/login")
        page.get_by_label("Mailbox address").fill(MAILBOX)
        page.get_by_label("Password").fill(MAILBOX_PASSWORD)
        page.get_by_role("button", name="Open the mailbox").click()
        page.wait_for_url("**/mail/**")


def log_in_first(page: Page, up: RunningUp) -> None:
    """As the owner of the first account, with what `hourpost up` has printed."""
    steps = first_steps(up)
    log_in(page, steps["email"], steps["password"])
    page.wait_for_url("**/app")
