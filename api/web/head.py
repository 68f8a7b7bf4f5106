"""HEAD, which every address answers that answers GET: the same status and headers, and no body (RFC 9110 §9.3.2)."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def answer_head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Have ``app`` answer a HEAD as the GET of the same address, and keep the body back.

    The server needs the scope as it came, or it would wait for the body that the headers speak of.
    """
    asked = {**scope, "method": "GET"}
    has_ended = False

    async def send_head(message: Message) -> None:
        nonlocal has_ended
        if message["type"] == "http.response.start":
            await send(message)
        elif not has_ended:  # a stream without an end is left at once
            has_ended = True
            await send({"type": "http.response.body", "body": b""})

    try:
        await app(asked, receive, send_head)
    finally:
        if "route" in asked:  # by which the request is counted
            scope["route"] = asked["route"]
