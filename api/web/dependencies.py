"""Who is asking, whether they may, and which page of a list they want."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import AfterValidator
from starlette.requests import Request

from api.web.parts import Parts, parts_of
from hourpost.errors import Fault, Forbidden, NotAuthenticated, NotFound, ValidationFailed
from hourpost.gateways.request_rate import RequestRate
from hourpost.pages import DEFAULT_LIMIT, MAX_LIMIT, Cursor
from hourpost.rules.ids import from_text
from hourpost.rules.submission import Standing


async def authenticate(request: Request) -> Standing:
    """The standing of the credential that the request carries. Raises: NotAuthenticated, Forbidden, LimitExceeded."""
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated("Give an API key in the header `Authorization: Bearer hp_…`.")
    standing = await parts_of(request).standings.by_token(token)
    rate: RequestRate = request.app.state.rate
    rate.count(standing.credential_id)
    return standing


async def sender(request: Request) -> Standing:
    """A credential that may send. Raises: Forbidden, besides what ``authenticate`` raises."""
    standing = await authenticate(request)
    if standing.scope not in ("full", "sending"):
        raise Forbidden("restricted_api_key", "This API key may not send.")
    return standing


@dataclass(frozen=True, slots=True)
class _Management:
    """A credential with the scope ``full``, or ``reading`` for reads; kept out unless the route keeps it within."""

    tests: bool = False
    one_domain: bool = False

    async def __call__(self, request: Request) -> Standing:
        standing = await authenticate(request)
        if standing.scope != "full" and not (standing.scope == "reading" and request.method == "GET"):
            raise Forbidden("restricted_api_key", f"This API key may only be used for {standing.scope}.")
        if standing.test and not self.tests:
            raise Forbidden("restricted_api_key", "A test key reaches test emails and test keys, and nothing live.")
        if standing.only_domain_id is not None and not self.one_domain:
            raise Forbidden("restricted_api_key", "This API key is for one domain; this concerns the whole account.")
        return standing


async def _any(request: Request) -> Standing:
    return await authenticate(request)


def cursor(prefix: str, limit: int = DEFAULT_LIMIT, after: str | None = None, before: str | None = None) -> Cursor:
    """The page that a request asks for, of a list with ids of ``prefix``. Raises: ValidationFailed."""
    faults = []
    ends = {"after": after, "before": before}
    ids = {name: from_text(prefix, text) if text else None for name, text in ends.items()}
    for name, text in ends.items():
        if text and ids[name] is None:
            faults.append(Fault(f"/{name}", f"`{name}` must be an id such as {prefix}_…"))
    if faults:
        raise ValidationFailed(faults)
    return Cursor(limit, ids["after"], ids["before"])


def id_of(prefix: str, text: str, noun: str) -> UUID:
    """The id in a path. Raises: NotFound for what cannot be one."""
    found = from_text(prefix, text)
    if found is None:
        raise NotFound(f"There is no {noun} {text[:60]!a}.")
    return found


Manager = Annotated[Standing, Depends(_Management())]
"""Who may manage the whole account: the scope ``full``, for reads also ``reading``; no test key, none for one domain.

Whoever cannot tell within which bounds a route stays takes this.
"""

DomainManager = Annotated[Standing, Depends(_Management(one_domain=True))]
"""The same, or a key for one domain: the route gives and changes what that domain has, and nothing else."""

BoundedManager = Annotated[Standing, Depends(_Management(tests=True, one_domain=True))]
"""The same, or a test key too: the route keeps each within its ``reach``, or only shows what sending needs."""

AnyCaller = Annotated[Standing, Depends(_any)]
"""Any credential; the route looks at its scope."""

Sender = Annotated[Standing, Depends(sender)]
"""A credential that may send."""

ThePartsOf = Annotated[Parts, Depends(parts_of)]
"""What the application is made of."""

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items, at most.")]


@dataclass(frozen=True, slots=True)
class PageAsked:
    """The page of a list that a request asks for."""

    limit: int
    after: str | None
    before: str | None

    def cursor(self, prefix: str) -> Cursor:
        """The same with ids of ``prefix``. Raises: ValidationFailed."""
        return cursor(prefix, self.limit, self.after, self.before)


def paging_of(prefix: str) -> Any:
    """A route's parameters for a page of ids of ``prefix``; wrong ones are told beside whatever else is wrong."""

    def check(text: str | None) -> str | None:
        if text and from_text(prefix, text) is None:
            raise ValueError(f"must be an id such as {prefix}_…")
        return text or None

    after = Query(description="The id that the page comes after: older items.")
    before = Query(description="The id that the page comes before: newer items.")
    fields = [
        ("limit", Limit, DEFAULT_LIMIT),
        ("after", Annotated[str | None, AfterValidator(check), after], None),
        ("before", Annotated[str | None, AfterValidator(check), before], None),
    ]
    return Depends(make_dataclass("PageAsked", fields, bases=(PageAsked,), frozen=True))
