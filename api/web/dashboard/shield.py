"""What every page is wrapped in: unsafe requests come from our own pages only, and browsers are told what to allow."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        # A form may lead on to the pages where one pays
        "form-action 'self' https://checkout.stripe.com https://billing.stripe.com",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cache-Control": "no-store",
}
_HSTS = "max-age=31536000"


class Shield:
    """ASGI middleware. A header that a page sets itself stays."""

    def __init__(self, app: ASGIApp, *, public_url: str, pay_url: str | None = None) -> None:
        """``pay_url``: where one pays instead of at Stripe."""
        self._app = app
        self._public = urlsplit(public_url)
        headers = HEADERS
        if pay_url:
            headers = HEADERS | {"Content-Security-Policy": POLICY.replace("form-action", f"form-action {pay_url}")}
        self._headers = headers | ({"Strict-Transport-Security": _HSTS} if self._public.scheme == "https" else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["method"] not in SAFE and not self._is_ours(Headers(scope=scope)):
            refusal = PlainTextResponse("This request does not come from one of our own pages.\n", 403)
            await refusal(scope, receive, send_on)
            return
        await self._app(scope, receive, send_on)

    def _is_ours(self, headers: Headers) -> bool:
        """Whether a browser says that one of our pages asks; programs have the REST API."""
        site = headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            return False
        origin = headers.get("origin")
        if origin is None:
            return site == "same-origin"
        asked = urlsplit(origin)
        if asked.scheme == self._public.scheme and asked.netloc == self._public.netloc:
            return True
        return self._public.scheme == "http" and asked.scheme == "http" and asked.netloc == headers.get("host")
