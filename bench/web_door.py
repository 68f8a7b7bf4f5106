"""What the HTTP door costs by itself, in CPU time: real requests, with an intake that stores nothing.

python -m bench.web_door            # inside the process, then over a socket
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import time
from typing import Any
from uuid import uuid4

import orjson
import uvicorn

from api.web.app import build_app
from api.web.parts import Parts
from hourpost.gateways.clock import SystemClock
from hourpost.logging import configure_logging
from hourpost.rules.delivery_state import State
from hourpost.rules.submission import Order, Placed, Receipt, SendingDomain, Standing, Usage
from hourpost.settings import Settings

TOKEN = "hp_live_" + "0" * 36
_DOMAIN = SendingDomain(uuid4(), "acme.test", True)
_STANDING = Standing(uuid4(), uuid4(), "api_key", "full", False, "path", 1000, False, None, {"acme.test": _DOMAIN})
EMAIL: dict[str, Any] = {
    "from": "Acme <hello@acme.test>",
    "to": ["ada@example.net"],
    "subject": "Your receipt of today",
    "html": "<p>" + "Thank you very much for your order, and for the one before.\n" * 24 + "</p>",
    "text": "Thank you very much.\n" * 20,
    "tags": [{"name": "kind", "value": "receipt"}],
}


class Intake:
    """Says yes to everything."""

    async def accept(self, order: Order) -> Receipt:
        placed = tuple(
            Placed(
                one.email_id,
                one.message_id,
                tuple((address, State.QUEUED) for address in one.recipients),
                None,
                None,
            )
            for one in order.submissions
        )
        return Receipt(placed, Usage(1000, 1, 999, 0, 3600))


class Standings:
    """Knows one key."""

    async def by_token(self, token: str) -> Standing:
        return _STANDING


def build() -> Any:
    settings = Settings(_env_file=None, requests_per_second=1_000_000)
    configure_logging(settings, "web")
    unused: Any = None
    standings: Any = Standings()
    return build_app(
        settings,
        Parts(
            settings=settings,
            database=unused,
            standings=standings,
            intake=Intake(),
            hour=unused,
            clock=SystemClock(),
            dns=unused,
            cipher=unused,
            attempts=unused,
            postman=unused,
            mail=unused,
            logins=unused,
            revision="",
        ),
    )


async def call(app: Any, path: str, body: bytes) -> None:
    headers = [
        (b"authorization", f"Bearer {TOKEN}".encode()),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"idempotency-key", b"order-7"),
    ]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b"", "state": {}}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 202, sent


def tune() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


async def inside(app: Any) -> None:
    single = orjson.dumps(EMAIL)
    batch = orjson.dumps([EMAIL] * 1000)
    for path, body, rounds, emails in (("/v1/emails", single, 5000, 1), ("/v1/emails/batch", batch, 10, 1000)):
        await call(app, path, body)
        best = 1e9
        for _ in range(3):
            start = time.process_time()
            for _ in range(rounds):
                await call(app, path, body)
            best = min(best, time.process_time() - start)
        print(f"inside  {path:18} {best / rounds / emails * 1e6:8.1f} µs an email")


def over_a_socket(app: Any, path: str, body: bytes, rounds: int, emails: int) -> None:
    """The server's CPU time alone: the client is another process."""
    listener = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        _be_client(listener.getsockname()[1], path, body, rounds)
        os._exit(0)
    config = uvicorn.Config(app, log_config=None, access_log=False, loop="uvloop", http="httptools", ws="none")
    server = uvicorn.Server(config)

    async def serve() -> float:
        task = asyncio.create_task(server.serve([listener]))
        start = time.process_time()
        await asyncio.to_thread(os.waitpid, child, 0)
        spent = time.process_time() - start
        server.should_exit = True
        await task
        return spent

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        spent = runner.run(serve())
    print(f"socket  {path:18} {spent / rounds / emails * 1e6:8.1f} µs an email")


def _be_client(port: int, path: str, body: bytes, rounds: int) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n"
        f"user-agent: bench\r\naccept: */*\r\nidempotency-key: order-7\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode()
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(16)]
    for _ in range(rounds // len(connections)):
        for one in connections:
            one.sendall(head + body)
        for one in connections:
            _read_answer(one)


def _read_answer(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, rest = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 202"), head
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(rest) < length:
        rest += connection.recv(65536)


def main() -> None:
    app = build()
    tune()
    asyncio.run(inside(app))
    over_a_socket(app, "/v1/emails", orjson.dumps(EMAIL), 8000, 1)
    over_a_socket(app, "/v1/emails/batch", orjson.dumps([EMAIL] * 1000), 16, 1000)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
