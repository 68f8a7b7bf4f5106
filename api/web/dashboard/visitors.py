"""Who asks for a page: the dependencies that give a route its person, account and role, and how they are answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.web.dashboard.answered import page_to_read
from api.web.dashboard.contact import Contact, find_contact
from api.web.dashboard.cookies import Flash, clear_flash, read_flash, read_session, set_flash
from api.web.dashboard.meter import Meter, read_meter
from api.web.dashboard.rendering import render
from api.web.parts import Parts, parts_of
from hourpost.accounts.audit import Actor
from hourpost.accounts.queries import Account, User
from hourpost.billing.queries import get_entitlement
from hourpost.errors import Forbidden, NotAuthenticated, NotFound
from hourpost.rules.roles import May, Role, is_allowed
from hourpost.users.desk import Desk
from hourpost.users.passkeys import Site
from hourpost.users.queries import SignedIn, find_signed_in
from hourpost.users.sessions import PROVEN_TIME, Browser, Session, is_stale, note_seen

SEE_OTHER = 303


class NotProven(Forbidden):
    """The person has shown long ago who they are, and is asked again before something dangerous."""

    def __init__(self) -> None:
        super().__init__("restricted_api_key", "Show once more who you are.")


class SecondOwed(NotAuthenticated):
    """The password was given, the second factor was not."""


class NotAMember(Forbidden):
    """The person belongs to no account (any more)."""

    def __init__(self) -> None:
        super().__init__("restricted_api_key", "You are not a member of any account.")


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who asks for a page; ``signed_in`` is None for who is not logged in."""

    request: Request
    parts: Parts
    signed_in: SignedIn | None

    @property
    def now(self) -> datetime:
        """The moment."""
        return self.parts.clock.now()

    @property
    def desk(self) -> Desk:
        """What acting on log-ins takes."""
        parts = self.parts
        address = parts.settings.public_url
        doors = (parts.attempts, parts.postman, parts.cipher, parts.clock)
        return Desk(parts.database, *doors, address, parts.afterwards, parts.settings.takes_sign_ups)

    @property
    def contact(self) -> Contact | None:
        """Whom to ask for an account; None where nobody has said."""
        return find_contact(self.parts.settings)

    @property
    def site(self) -> Site:
        """The origin that the browser sees."""
        public = self.parts.settings.public_url
        return Site(public if public.startswith("https://") else f"http://{self.request.headers.get('host', '')}")

    @property
    def browser(self) -> Browser:
        """Where the request comes from."""
        return browser_of(self.request)

    async def page(self, template: str, *, status: int = 200, block: str | None = None, **context: Any) -> HTMLResponse:
        """The page of a template; where htmx asks, only its ``block``. ``context`` is what the template is given.

        ``faults`` (by field) and ``form`` are there even when not given, so that a form's first view needs neither.
        """
        is_fragment = block is not None and "hx-request" in self.request.headers
        flash = None if is_fragment else read_flash(self.request)
        context = {"faults": {}, "form": {}} | context | self._given(flash)
        context["meter"] = None if is_fragment else await self._read_meter()
        context["grace_ends_at"] = None if is_fragment else await self._read_grace()
        response = HTMLResponse(render(template, block if is_fragment else None, context), status)
        response.headers["Vary"] = "HX-Request"
        if flash is not None:
            clear_flash(response, self.parts.settings)
        return response

    def redirect(self, path: str, message: str = "", tone: str = "good") -> Response:
        """Send the browser to another page of ours (303), with a message for it."""
        response = RedirectResponse(path, SEE_OTHER)
        if "hx-request" in self.request.headers:
            response = Response(headers={"HX-Redirect": path})  # type: ignore[assignment]  # a Response all the same
        if message:
            set_flash(response, self.parts.settings, Flash(message, tone))
        return response

    def _given(self, flash: Flash | None) -> dict[str, Any]:
        settings = self.parts.settings
        return {
            "visitor": self,
            "signed_in": self.signed_in,
            "settings": settings,
            "path": self.request.url.path,
            "posted": page_to_read(self.request),
            "flash": flash,
            "now": self.now,
        }

    async def _read_meter(self) -> Meter | None:
        return None

    async def _read_grace(self) -> datetime | None:
        return None


@dataclass(frozen=True, slots=True)
class Person(Guest):
    """Somebody who is logged in; perhaps without any account."""

    signed_in: SignedIn

    @property
    def user(self) -> User:
        """The person."""
        return self.signed_in.user

    @property
    def session(self) -> Session:
        """Their session."""
        return self.signed_in.session

    @property
    def makes_accounts(self) -> bool:
        """Whether they may make an account of their own, beside those that they are invited to."""
        return self.parts.settings.takes_sign_ups or self.user.is_staff

    @property
    def has_proven(self) -> bool:
        """Whether they have shown who they are lately enough for what is dangerous."""
        return self.now - self.session.proven_at < PROVEN_TIME

    def actor(self) -> Actor:
        """The person in the audit log, for what concerns only themselves."""
        return Actor(self.user.id, self.user.email, self.browser.address)

    async def _read_meter(self) -> Meter | None:
        account = self.signed_in.account
        return await read_meter(self.parts, account) if account else None

    async def _read_grace(self) -> datetime | None:
        """Until when mail goes on leaving though a payment has failed; None where none has."""
        account = self.signed_in.account
        if account is None or self.parts.till is None:
            return None
        async with self.parts.database.reading() as connection:
            entitlement = await get_entitlement(connection, account.id)
        return entitlement.ends_at if entitlement.status == "past_due" and entitlement.plan is not None else None


@dataclass(frozen=True, slots=True)
class Visitor(Person):
    """Somebody who is logged in and looks at an account, in a role."""

    account: Account
    role: Role

    def require(self, thing: May) -> None:
        """Raises: Forbidden, where their role does not allow it."""
        if not self.may(thing):
            raise Forbidden("restricted_api_key", f"Your role here is {self.role}, which does not allow this.")

    def may(self, thing: May) -> bool:
        """Whether their role in this account allows it."""
        return is_allowed(self.role, thing)

    def actor(self) -> Actor:
        """The person in the audit log of this account."""
        return Actor(self.user.id, self.user.email, self.browser.address, self.account.id, self.role)


def browser_of(request: Request) -> Browser:
    """Where a request comes from."""
    return Browser(request.client.host if request.client else "", request.headers.get("user-agent", ""))


async def guest(request: Request) -> Guest:
    """Anybody; a page may greet who is logged in."""
    parts = parts_of(request)
    found = await _find(request, parts)
    if found is None or found.session.awaits_second:
        return Guest(request, parts, None)
    return Person(request, parts, found)


async def half_way(request: Request) -> Person:
    """Who has given the password, and owes the second factor. Raises: NotAuthenticated."""
    parts = parts_of(request)
    found = await _find(request, parts)
    if found is None or not found.session.awaits_second:
        raise NotAuthenticated("Log in first.")
    return Person(request, parts, found)


async def owes_second(request: Request) -> bool:
    """Whether somebody has given the password, and owes the second factor."""
    found = await _find(request, parts_of(request))
    return found is not None and found.session.awaits_second


async def person(request: Request) -> Person:
    """Who is logged in. Raises: NotAuthenticated, SecondOwed."""
    parts = parts_of(request)
    found = await _find(request, parts)
    if found is None:
        raise NotAuthenticated("Log in first.")
    if found.session.awaits_second:
        raise SecondOwed("Log in first.")
    return Person(request, parts, found)


async def proven(request: Request) -> Person:
    """Who is logged in and has shown lately who they are. Raises: NotAuthenticated, NotProven."""
    found = await person(request)
    if not found.has_proven:
        raise NotProven
    return found


async def member(request: Request) -> Visitor:
    """Who is logged in and belongs to an account. Raises: NotAuthenticated, NotAMember, Forbidden."""
    found = await person(request)
    signed_in = found.signed_in
    if signed_in.account is None or signed_in.role is None:
        raise NotAMember
    if signed_in.is_viewing and request.method != "GET":
        raise Forbidden("restricted_api_key", "You look at this account as staff: nothing can be changed.")
    return Visitor(request, found.parts, signed_in, signed_in.account, signed_in.role)


async def staff(request: Request) -> Person:
    """Who runs this installation. Raises: NotAuthenticated; NotFound for everybody else."""
    found = await person(request)
    if not found.user.is_staff:
        raise NotFound("There is no such page.")
    return found


def who_may(thing: May) -> Callable[[Request], Awaitable[Visitor]]:
    """A dependency that gives who may do ``thing`` in their account. Raises: Forbidden, and what ``member`` raises."""

    async def visitor(request: Request) -> Visitor:
        found = await member(request)
        found.require(thing)
        return found

    return visitor


async def _find(request: Request, parts: Parts) -> SignedIn | None:
    token = read_session(request)
    if token is None:
        return None
    now = parts.clock.now()
    async with parts.database.reading() as connection:
        found = await find_signed_in(connection, token, now)
    if found is not None and is_stale(found.session, now):
        async with parts.database.transaction() as connection:
            await note_seen(connection, found.session, browser_of(request), now)
    return found


AnyGuest = Annotated[Guest, Depends(guest)]
"""Anybody: for public pages."""

HalfWay = Annotated[Person, Depends(half_way)]
"""Who owes the second factor."""

LoggedIn = Annotated[Person, Depends(person)]
"""Who is logged in, with an account or without: for pages about the person."""

Proven = Annotated[Person, Depends(proven)]
"""Who has shown lately who they are: for what is dangerous about a log-in."""

AnyMember = Annotated[Visitor, Depends(member)]
"""Whoever belongs to the account."""

Reader = Annotated[Visitor, Depends(who_may(May.READ))]
"""Who may look at what is sent."""

Sender = Annotated[Visitor, Depends(who_may(May.SEND))]
"""Who may send, cancel, suppress."""

Developer = Annotated[Visitor, Depends(who_may(May.DEVELOP))]
"""Who may change domains, keys, mailboxes."""

Biller = Annotated[Visitor, Depends(who_may(May.BILL))]
"""Who may change the plan."""

Manager = Annotated[Visitor, Depends(who_may(May.MANAGE))]
"""Who may change members."""

Owner = Annotated[Visitor, Depends(who_may(May.OWN))]
"""Who may delete the account."""

Staff = Annotated[Person, Depends(staff)]
"""Who runs this installation."""
