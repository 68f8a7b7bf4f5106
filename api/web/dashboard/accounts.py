"""Accounts of a person: one more, and which of them to look at."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.web.dashboard.forms import faults_by_field, local_path, read_form
from api.web.dashboard.visitors import LoggedIn, Person
from hourpost.accounts import audit
from hourpost.accounts.audit import Actor
from hourpost.accounts.changes import NewAccount, create_account
from hourpost.accounts.queries import PREFIX
from hourpost.errors import Conflict, Forbidden, NotFound, Refused
from hourpost.rules.ids import from_text
from hourpost.users.sessions import choose_account
from hourpost.users.signing_up import require_open

MAX_ACCOUNTS = 50

router = APIRouter()


@router.get("/app/accounts/new")
async def get_new(visitor: LoggedIn) -> Response:
    """Where one makes another account, or the first."""
    _require_at_home(visitor)
    return await visitor.page("account_new.html")


@router.post("/app/accounts/new")
async def post_new(request: Request, visitor: LoggedIn) -> Response:
    """Make an account with oneself as its owner, and look at it."""
    _require_at_home(visitor)
    if not visitor.makes_accounts:
        require_open(visitor.desk)
    form = await read_form(request)
    user, now = visitor.user, visitor.now
    try:
        if len(visitor.signed_in.accounts) >= MAX_ACCOUNTS:
            raise Conflict("too_many", f"You belong to {MAX_ACCOUNTS} accounts; that is as many as one may have.")
        async with visitor.parts.database.transaction() as connection:
            account = await create_account(connection, NewAccount(form.get("name", ""), user.email), now)
            actor = Actor(user.id, user.email, visitor.browser.address, account.id)
            await audit.note(connection, actor, "account_created", now, name=account.name)
            await choose_account(connection, visitor.session.id, account.id)
    except Refused as error:
        return await visitor.page("account_new.html", status=422, form=form, faults=faults_by_field(error))
    return visitor.redirect("/app", f"{account.name} is there.")


@router.post("/app/accounts/choose")
async def post_choose(request: Request, visitor: LoggedIn) -> Response:
    """Look at another account of one's own."""
    form = await read_form(request)
    wanted = from_text(PREFIX, form.get("account", ""))
    if wanted not in {account.id for account in visitor.signed_in.accounts} or wanted is None:
        raise NotFound("There is no such account.")
    async with visitor.parts.database.transaction() as connection:
        await choose_account(connection, visitor.session.id, wanted)
    return visitor.redirect(local_path(form.get("next"), "/app"))


def _require_at_home(visitor: Person) -> None:
    """Who looks at another's account as staff leaves it first: what they make there would look like that one's."""
    if visitor.signed_in.is_viewing:
        raise Forbidden("restricted_api_key", "You look at an account as staff: leave it before you make one.")
