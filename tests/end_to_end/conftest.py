"""One whole service for the browser's tests, with something in it to look at; skipped where there is no Chromium."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.embedded.running import RunningUp
from tests.end_to_end.browsing import CHROMIUM, chromium, new_context
from tests.end_to_end.people import bring_people, run_shop
from tests.end_to_end.scene import fill


@dataclass(frozen=True)
class Service:
    """What runs, and what the places of ``pages.py`` stand for."""

    up: RunningUp
    places: dict[str, str]


NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="session")
def service(assets: None) -> Iterator[Service]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    folder = Path(tempfile.mkdtemp(prefix="hourpost-end-to-end-"))
    folder.chmod(0o755)  # the servers work as other users
    try:
        with run_shop(folder / "home") as (up, stripe):
            up.wait()
            yield Service(up, fill(up) | bring_people(up, stripe))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# One for each module: while Playwright's loop runs in this thread, no other does.
@pytest.fixture(scope="module")
def browser(service: Service) -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def new_browser_context(browser: Browser, service: Service) -> Iterator[NewContext]:
    """Makes profiles of their own; all are closed at the end."""
    opened: list[BrowserContext] = []

    def make(size: str = "desktop", **options: Any) -> BrowserContext:
        opened.append(new_context(browser, service.up, size, **options))
        return opened[-1]

    yield make
    for context in opened:
        context.close()
