"""Errors as pages, each translated once; who is not logged in is led to the log-in."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from api.web.dashboard.answered import page_shown
from api.web.dashboard.cookies import Flash, set_flash
from api.web.dashboard.forms import local_path
from api.web.dashboard.mail.readers import MailNotAuthenticated
from api.web.dashboard.visitors import Guest, NotAMember, NotProven, Person, SecondOwed, guest
from api.web.errors import CLIENT_LEFT, status_of
from api.web.parts import parts_of
from hourpost.errors import HourpostError, LimitExceeded, NotAuthenticated, NotFound, Unavailable

_TITLES = {
    403: "This is not for you",
    404: "There is nothing here",
    405: "That does not work here",
    409: "That does not work now",
    422: "That did not fit",
    429: "Too much at once",
    500: "Something went wrong on our side",
    503: "A part of the service is away",
}
_NOT_DONE = "You were logged out before this was done; nothing was changed."
_TOO_LATE = "That took too long. Log in again."
_NOT_MISSED = ("/logout", "/mail/logout")
_HOMES = ("/app", "/mail")


async def on_error(request: Request, error: Any) -> Response:
    """The page of a named error."""
    if isinstance(error, NotAuthenticated):
        return _to_log_in(request, error)
    if isinstance(error, NotAMember | NotProven):
        return _to(request, "/app/accounts/new" if isinstance(error, NotAMember) else _prove_path(request))
    status = status_of(error)
    response = await _page(request, status, error.message)
    if isinstance(error, Unavailable | LimitExceeded):
        response.headers["Retry-After"] = str(max(1, error.retry_after_seconds or 1))
    return response


async def on_surprise(request: Request, error: Any) -> Response:
    """The page of what nobody foresaw, which the outermost layer writes to the log; none for who hung up."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=CLIENT_LEFT)
    return await _page(request, 500, "The number below helps us to find out what it was.")


async def on_http_error(request: Request, error: Any) -> Response:
    """The page of what the router itself refuses."""
    if error.status_code == 405:
        return await _page(request, 405, "This page cannot be used that way.")
    if error.status_code == 400:
        return await _page(request, 422, "The form could not be read.")
    return await on_error(request, NotFound("The page may have moved, or the address has a typing error."))


async def on_invalid_parameters(request: Request, error: Any) -> Response:
    """The page of an address with a query that cannot be."""
    names = ", ".join(sorted({str(one["loc"][-1]) for one in error.errors()}))
    return await _page(request, 422, f"The address has something in it that cannot be: {names}.")


def _to_log_in(request: Request, error: NotAuthenticated) -> Response:
    """Lead to the log-in, and from there back to the page that is shown.

    A part of a page that asks by itself is told where that is (401): the page stays, with what is typed in it.
    """
    path = _log_in_path(request, error)
    if "hx-request" in request.headers:
        return PlainTextResponse(path, 401)
    response = RedirectResponse(path, 303)
    if request.method != "GET" and request.url.path not in _NOT_MISSED:
        words = _TOO_LATE if request.url.path.startswith("/login") else _NOT_DONE
        set_flash(response, parts_of(request).settings, Flash(words, "warn"))
    return response


def _log_in_path(request: Request, error: NotAuthenticated) -> str:
    shown = local_path(page_shown(request), "/app")
    if isinstance(error, MailNotAuthenticated):
        login = "/mail/login"
    else:
        login = "/login/second" if isinstance(error, SecondOwed) else "/login"
    asked = {} if shown in _HOMES or shown.startswith(("/login", "/mail/login")) else {"next": shown}
    return f"{login}?{urlencode(asked, quote_via=quote, safe='/')}" if asked else login


def _prove_path(request: Request) -> str:
    undone = "" if request.method == "GET" else "&undone=1"
    return f"/login/again?next={quote(local_path(page_shown(request), '/app/you'), safe='/')}{undone}"


def _to(request: Request, path: str) -> Response:
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": path})
    return Response(status_code=303, headers={"Location": path})


async def _page(request: Request, status: int, message: str) -> Response:
    if request.headers.get("accept", "").startswith("application/json"):
        return JSONResponse({"message": message}, status)
    context: dict[str, Any] = {"status_code": status, "title": _TITLES.get(status, _TITLES[500]), "message": message}
    context["request_id"] = request.scope.get("state", {}).get("request_id", "")
    context["frame"] = "public.html"
    context["is_mail"] = request.url.path.startswith("/mail/")
    try:
        asker = await guest(request)
    except HourpostError:  # PostgreSQL is away, which may be what the page is about
        asker = Guest(request, parts_of(request), None)
    if isinstance(asker, Person) and status < 500 and request.url.path.startswith("/app/"):
        context["frame"] = "app.html"
        context["back"] = page_shown(request) if request.method == "POST" else ""
    return await asker.page("error.html", status=status, **context)
