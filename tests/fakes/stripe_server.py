"""A Stripe of our own: a small ASGI server that speaks Stripe's wire format to the real client, and pages to a browser.

A test sets its clock, its customers' cards and its moods (``is_down``), and has its webhooks delivered as it likes:
twice, late, in any order. Tests hold `FakeStripe`; the server runs in a thread on a free port of loopback.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

import httpx
import stripe
import uvicorn

from hourpost.rules.plans import PLANS
from hourpost.rules.subscriptions import lookup_key
from tests.fakes import stripe_pages
from tests.fakes.stripe_api import StripeApi
from tests.fakes.stripe_shapes import made_whole
from tests.fakes.stripe_state import CardDeclined, NotThere, StripeState, Thing, Unwilling

KEY = "sk_test_of_the_tests"
SECRET = "whsec_of_the_tests"
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class FakeStripe:
    """The whole of it. ``events`` are those that were not delivered yet, ``calls`` what was asked (method, path)."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.state = StripeState()
        self.reset()

    def reset(self) -> None:
        """As new, with the plans on sale; no id of before is ever given again."""
        self.state = StripeState(self.state.next_number())
        self.state.tell = self._told
        self.api = StripeApi(self.state, self.base)
        self.events: list[Thing] = []
        self.calls: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.is_down = False
        self.webhook_url: str | None = None  # where each webhook goes at once
        self._answers: dict[str, tuple[Any, tuple[int, Thing]]] = {}
        self._sell_plans()
        self.events.clear()

    def _sell_plans(self) -> None:
        for plan in PLANS.values():
            self.api.create_product({"id": f"hourpost_{plan.name}", "name": f"Hourpost {plan.title}"})
            params = {"product": f"hourpost_{plan.name}", "lookup_key": lookup_key(plan.name), "currency": "usd"}
            self.api.create_price(params | {"unit_amount": str(plan.price_cents)})

    def price(self, plan: str) -> str:
        return str(self.state.all("price", lookup_key=lookup_key(plan))[0]["id"])

    def pay(self, checkout_url: str) -> str:
        """Pay as a browser would; gives where it goes next."""
        answer = httpx.post(checkout_url, data={"do": "pay"})
        return answer.headers["location"]

    def confirm(self, invoice_url: str) -> None:
        """Pay an invoice on its page, with whatever the bank wants to know."""
        assert httpx.post(invoice_url, data={"do": "pay"}).status_code == 200

    def subscription(self) -> Thing:
        return self.state.all("subscription")[0]

    def deliver(self, url: str, events: Sequence[Thing] | None = None) -> list[int]:
        """Post webhooks, signed as Stripe signs: those that wait, or these. Gives the status codes."""
        if events is None:
            events, self.events = self.events, []
        return [self._post(url, event) for event in events]

    def _told(self, event: Thing) -> None:
        self.events.append(event)
        if self.webhook_url is not None:
            threading.Thread(target=self._post, args=(self.webhook_url, event), daemon=True).start()

    @staticmethod
    def _post(url: str, event: Thing) -> int:
        body = json.dumps(event)
        headers = {"Stripe-Signature": sign(body), "Content-Type": "application/json; charset=utf-8"}
        return httpx.post(url, content=body, headers=headers, timeout=20).status_code

    # the server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        if scope["path"].startswith("/pages/"):
            await self._send_page(scope, body, send)
            return
        status, answer = self._answer(scope, headers, body)
        content = json.dumps(answer).encode()
        kind = [(b"content-type", b"application/json"), (b"request-id", b"req_fake")]
        await send({"type": "http.response.start", "status": status, "headers": kind})
        await send({"type": "http.response.body", "body": content})

    def _answer(self, scope: Scope, headers: dict[str, str], body: bytes) -> tuple[int, Thing]:
        method, path = scope["method"], scope["path"]
        self.calls.append((method, path))
        self.headers.append(headers)
        if self.is_down:
            return 503, _error("api_error", "Stripe is down.")
        if headers.get("authorization") != f"Bearer {KEY}":
            return 401, _error("invalid_request_error", "Invalid API Key provided.")
        params = parse_form(body.decode() if method == "POST" else scope["query_string"].decode())
        key = headers.get("idempotency-key") if method == "POST" else None
        if key in self._answers:
            before, answer = self._answers[key]
            if before != (path, body):
                return 400, _error("idempotency_error", "Keys for idempotent requests can only be used with the same.")
            return answer
        answer = self._try(method, path, params)
        if key is not None:
            self._answers[key] = ((path, body), answer)
        return answer

    def _try(self, method: str, path: str, params: dict[str, Any]) -> tuple[int, Thing]:
        try:
            return 200, made_whole(json.loads(json.dumps(self.api.answer(method, path, params))))
        except NotThere as error:
            return 404, _error("invalid_request_error", str(error), "resource_missing")
        except Unwilling as error:
            return 400, _error("invalid_request_error", str(error))
        except CardDeclined as error:
            return 402, _error("card_error", str(error), "card_declined")

    async def _send_page(self, scope: Scope, body: bytes, send: Send) -> None:
        _, _, kind, thing_id, *_ = scope["path"].split("/")
        if scope["method"] == "POST":
            action = dict(parse_qsl(body.decode())).get("do", "")
            status, text = stripe_pages.press(self.state, kind, thing_id, action)
        else:
            status, text = stripe_pages.show(self.state, kind, thing_id)
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        if status == 303:
            headers.append((b"location", text.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode() if status == 200 else b""})


def sign(body: str, secret: str = SECRET, timestamp: int | None = None) -> str:
    """The header `Stripe-Signature`."""
    return str(stripe.WebhookSignature.generate_signature_header(body, secret, timestamp))


def parse_form(text: str) -> dict[str, Any]:
    """`a[b][0][c]=d` as nested dicts and lists."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        path = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name)
        place = root
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1] or str(len(place))] = value
    return {name: _listed(value) for name, value in root.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(one) for name, one in value.items()}
    return list(inner.values()) if inner and all(name.isdigit() for name in inner) else inner


def _error(kind: str, message: str, code: str | None = None) -> Thing:
    return {"error": {"type": kind, "message": message, "code": code}}


@contextmanager
def run_fake_stripe() -> Iterator[FakeStripe]:
    """A fake Stripe with the plans on sale, on a free port."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer's body waits 40 ms for an ACK
    fake = FakeStripe(f"http://127.0.0.1:{listening.getsockname()[1]}")
    server = uvicorn.Server(uvicorn.Config(fake, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield fake
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
