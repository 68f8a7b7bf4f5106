"""`make screenshots`: every page, phone and desktop, light and dark, into var/screenshots; words pick pages by name."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.embedded.running import ROOT, RunningUp
from tests.end_to_end.browsing import CHROMIUM, SIZES, chromium, log_in_as, new_context
from tests.end_to_end.corners import CORNERS
from tests.end_to_end.pages import PAGES, WHO, Page
from tests.end_to_end.people import bring_people, run_shop
from tests.end_to_end.scene import fill

_LOOKS = 90
FOLDER = ROOT / "var" / "screenshots"


def main() -> None:
    """Run a service of its own, fill it, and picture it."""
    if CHROMIUM is None:
        raise SystemExit("There is no chromium on this machine.")
    wanted = [page for page in PAGES if not sys.argv[1:] or page.name in sys.argv[1:]]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hourpost-screenshots-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the servers work as other users
        with run_shop(Path(folder) / "home") as (up, stripe):
            up.wait(240)
            places = fill(up) | bring_people(up, stripe)
            with chromium() as browser:
                wait_for_charts(browser, up)
                for size in SIZES:
                    for scheme in ("light", "dark"):
                        picture(browser, up, wanted, places, size, scheme)
                for size in SIZES:
                    picture_corners(browser, up, sys.argv[1:], places, size)


def wait_for_charts(browser: Browser, up: RunningUp) -> None:
    """Until all that the hour took has left and is counted, or for so long."""
    context = new_context(browser, up)
    tab = context.new_page()
    log_in_as(tab, up, "owner")
    for _ in range(_LOOKS):
        if tab.locator(".figures dd").first.inner_text() in ("997", "1,000"):
            break
        tab.wait_for_timeout(1000)
    context.close()


def picture(browser: Browser, up: RunningUp, pages: list[Page], places: dict[str, str], size: str, scheme: str) -> None:
    """All pages in one size and one scheme."""
    for who in WHO:
        context = new_context(browser, up, size, color_scheme=scheme, device_scale_factor=1)
        tab = context.new_page()
        log_in_as(tab, up, who)
        for page in pages:
            if page.who == who:
                tab.goto(page.path.format(**places), wait_until="load")
                if tab.locator("iframe.preview").count():  # a frame that is out of sight is not drawn
                    height = int(tab.evaluate("document.documentElement.scrollHeight"))
                    tab.set_viewport_size({"width": SIZES[size]["width"], "height": height})
                tab.wait_for_timeout(500)  # charts and frames draw themselves
                path = FOLDER / f"{page.name}-{size}-{scheme}.png"
                tab.screenshot(path=path, full_page=True)
                tab.set_viewport_size({"width": SIZES[size]["width"], "height": SIZES[size]["height"]})
                print(path.relative_to(ROOT))
        context.close()


def picture_corners(browser: Browser, up: RunningUp, names: list[str], places: dict[str, str], size: str) -> None:
    """What opens, light on a desktop and dark on a phone; after the pages, because it leaves something behind."""
    for who in WHO:
        context = new_context(browser, up, size, color_scheme="dark" if size == "phone" else "light")
        tab = context.new_page()
        log_in_as(tab, up, who)
        for corner in CORNERS:
            if corner.who == who and (not names or corner.name in names):
                corner.go(tab, corner.path.format(**places))
                path = FOLDER / f"{corner.name}-{size}.png"
                tab.screenshot(path=path)
                print(path.relative_to(ROOT))
        context.close()


if __name__ == "__main__":
    main()
