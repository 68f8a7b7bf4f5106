"""Signing up: nobody is a user, and nothing is an account, before the address is confirmed.

Whether an address is known is told to nobody but who reads its mail.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import update

from hourpost import tables
from hourpost.accounts.audit import Actor, note
from hourpost.accounts.changes import NewAccount, create_account, hold_address
from hourpost.accounts.passwords import check_password, hash_password
from hourpost.accounts.queries import find_user_by_email
from hourpost.errors import Conflict, Fault, Forbidden, NotFound, ValidationFailed
from hourpost.gateways.attempts import Counted
from hourpost.rules.networks import network_of
from hourpost.users import letters
from hourpost.users.desk import Desk
from hourpost.users.names import read_email, read_name
from hourpost.users.sessions import Browser
from hourpost.users.tokens import Kind, OneTime, find_token, keep_token, mint, use_token

_FREE_BY_ADDRESS = 20
_FREE_BY_EMAIL = 3
_WORTHLESS = "This link was used already, or it is too old. Sign up once more to get a new one."


@dataclass(frozen=True, slots=True)
class NewUser:
    """A person who signs up, and the account they want."""

    name: str
    email: str
    account_name: str
    password: str


def require_open(desk: Desk) -> None:
    """Raises: Forbidden where only who is invited gets in; also for a link that was mailed before."""
    if not desk.takes_sign_ups:
        raise Forbidden("restricted_api_key", "Signing up is closed here.")


async def begin_sign_up(desk: Desk, new: NewUser, browser: Browser) -> str:
    """Mail a link that confirms the address; gives the address as it was understood.

    Raises: Forbidden, ValidationFailed, LimitExceeded, ServiceUnavailable.
    """
    require_open(desk)
    faults: list[Fault] = []
    email, name = read_email(new.email, faults), read_name(new.name, faults)
    account_name = read_name(new.account_name, faults, "account_name")
    try:
        check_password(new.password)
    except ValidationFailed as error:
        faults += error.faults
    if faults:
        raise ValidationFailed(faults)
    hashed = await hash_password(new.password)
    by_email = Counted("sign-up", email, _FREE_BY_EMAIL)
    await desk.attempts.begin([by_email, Counted("sign-up-from", network_of(browser.address), _FREE_BY_ADDRESS)])
    await desk.postman.require_way()
    detail = {"email": email, "name": name, "account_name": account_name, "password_hash": hashed}
    desk.afterwards.begin(_mail_sign_up(desk, detail))
    return email


async def _mail_sign_up(desk: Desk, detail: dict[str, str]) -> None:
    """After the answer: its time would tell whether the address is known."""
    email = detail["email"]
    async with desk.database.reading() as connection:
        known = await find_user_by_email(connection, email)
    if known is not None:
        await desk.postman.post(letters.signed_up_already(email, f"{desk.public_url}/login"))
        return
    token = mint()
    async with desk.database.transaction() as connection:
        await keep_token(connection, token, OneTime(Kind.SIGN_UP, None, detail), desk.now)
    await desk.postman.post(letters.confirm_sign_up(email, detail["name"], desk.link("/signup/confirm", token)))


async def find_sign_up(desk: Desk, token: str) -> str:
    """The address that a link would confirm. Raises: NotFound, Forbidden."""
    require_open(desk)
    async with desk.database.reading() as connection:
        found = await find_token(connection, token, Kind.SIGN_UP, desk.now)
    if found is None:
        raise NotFound(_WORTHLESS)
    return str(found.detail["email"])


async def finish_sign_up(desk: Desk, token: str, browser: Browser) -> str:
    """Make the user and the account; gives the address.

    Raises: NotFound, Conflict, Forbidden, ServiceUnavailable.
    """
    require_open(desk)
    now = desk.now
    async with desk.database.transaction() as connection:
        found = await use_token(connection, token, Kind.SIGN_UP, now)
        if found is None:
            raise NotFound(_WORTHLESS)
        email, name = str(found.detail["email"]), str(found.detail["name"])
        await hold_address(connection, email)
        if await find_user_by_email(connection, email) is not None:
            raise Conflict("user_exists", "This address is confirmed already: log in.")
        new = NewAccount(found.detail["account_name"], email, None, found.detail["password_hash"])
        account = await create_account(connection, new, now)
        await connection.execute(update(tables.User).where(tables.User.email == email).values(name=name))
        user = await find_user_by_email(connection, email)
        actor = Actor(user.id if user else None, email, browser.address, account.id)
        await note(connection, actor, "account_created", now, name=account.name)
    return email
