"""A user's name, and the address they log in with; a new address is confirmed before it counts."""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.audit import Actor, note
from hourpost.accounts.changes import hold_address
from hourpost.accounts.queries import User, find_user_by_email, get_user
from hourpost.errors import Conflict, Fault, NotFound, ValidationFailed
from hourpost.gateways.attempts import Counted
from hourpost.rules.roles import Role
from hourpost.users import letters
from hourpost.users.desk import Desk
from hourpost.users.names import read_email, read_name
from hourpost.users.sessions import Browser
from hourpost.users.tokens import Kind, OneTime, drop_tokens, find_token, keep_token, mint, use_token

_FREE_CHANGES = 5
_WORTHLESS = "This link was used already, or it is too old."


async def rename_user(desk: Desk, user: User, name: str) -> None:
    """Call a user something else. Raises: ValidationFailed, ServiceUnavailable."""
    faults: list[Fault] = []
    name = read_name(name, faults)
    if faults:
        raise ValidationFailed(faults)
    async with desk.database.transaction() as connection:
        await connection.execute(update(tables.User).where(tables.User.id == user.id).values(name=name))


async def begin_change(desk: Desk, user: User, email: str) -> str:
    """Mail a link to the new address. Raises: ValidationFailed, LimitExceeded, ServiceUnavailable."""
    faults: list[Fault] = []
    email = read_email(email, faults)
    if email == user.email:
        faults.append(Fault("/email", "this is your address already"))
    if faults:
        raise ValidationFailed(faults)
    await desk.attempts.begin([Counted("address", str(user.id), _FREE_CHANGES)])
    await desk.postman.require_way()
    desk.afterwards.begin(_mail_change(desk, user, email))
    return email


async def _mail_change(desk: Desk, user: User, email: str) -> None:
    """Whether the new address is known is told to nobody but who reads its mail, by no clock either."""
    async with desk.database.reading() as connection:
        known = await find_user_by_email(connection, email)
    if known is not None:
        await desk.postman.post(letters.used_by_a_log_in(email, f"{desk.public_url}/login"))
        return
    token = mint()
    async with desk.database.transaction() as connection:
        await drop_tokens(connection, user.id, Kind.ADDRESS)
        await keep_token(connection, token, OneTime(Kind.ADDRESS, user.id, {"email": email}), desk.now)
    await desk.postman.post(letters.confirm_address(email, desk.link("/address", token)))


async def find_change(desk: Desk, token: str) -> str:
    """The address that a link would confirm. Raises: NotFound."""
    async with desk.database.reading() as connection:
        found = await find_token(connection, token, Kind.ADDRESS, desk.now)
    if found is None:
        raise NotFound(_WORTHLESS)
    return str(found.detail["email"])


async def finish_change(desk: Desk, token: str, browser: Browser) -> None:
    """Log in with the new address from now on. Raises: NotFound, Conflict, ServiceUnavailable."""
    async with desk.database.transaction() as connection:
        found = await use_token(connection, token, Kind.ADDRESS, desk.now)
        if found is None or found.user_id is None:
            raise NotFound(_WORTHLESS)
        new = str(found.detail["email"])
        user = await get_user(connection, found.user_id)
        await hold_address(connection, new)
        if await find_user_by_email(connection, new) is not None:
            raise Conflict("user_exists", "Somebody logs in with this address already.")
        await connection.execute(update(tables.User).where(tables.User.id == user.id).values(email=new))
        await _follow(connection, user, new)
        await drop_tokens(connection, user.id, Kind.PASSWORD)
        await note(connection, Actor(user.id, new, browser.address), "address_changed", desk.now, before=user.email)
    await desk.tell(user.id, letters.address_changed(user.email, new))


async def _follow(connection: AsyncConnection, user: User, email: str) -> None:
    """An account that went by the old address of one of its owners goes by the new one."""
    member, account = tables.Membership, tables.Account
    owned = select(member.account_id).where(member.user_id == user.id, member.role == Role.OWNER)
    which = (account.id.in_(owned), func.lower(account.email) == user.email)
    await connection.execute(update(account).where(*which).values(email=email))
