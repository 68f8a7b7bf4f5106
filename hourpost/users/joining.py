"""Accepting an invitation: as who one is, or as a new user, whose address the invitation has confirmed."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert

from hourpost import tables
from hourpost.accounts.changes import hold_address
from hourpost.accounts.passwords import hash_password
from hourpost.accounts.queries import User, find_user_by_email
from hourpost.errors import Conflict, Fault, ValidationFailed
from hourpost.rules.ids import new_id
from hourpost.users.desk import Desk
from hourpost.users.members import accept_invitation, find_invitation
from hourpost.users.names import read_name
from hourpost.users.sessions import Browser, choose_account


async def join_as_user(desk: Desk, token: str, user: User, session_id: UUID, browser: Browser) -> str:
    """Accept, and look at the account from now on; gives its name. Raises: NotFound, Forbidden, ServiceUnavailable."""
    async with desk.database.transaction() as connection:
        invitation = await find_invitation(connection, token, desk.now)
        await accept_invitation(connection, invitation, user, desk.now, browser.address)
        await choose_account(connection, session_id, invitation.account_id)
    return invitation.account_name


async def join_as_new_user(desk: Desk, token: str, name: str, password: str, browser: Browser) -> None:
    """Make a user with the invitation's address, and accept. Raises: NotFound, Conflict, ValidationFailed."""
    faults: list[Fault] = []
    name = read_name(name, faults)
    try:
        hashed = await hash_password(password)
    except ValidationFailed as error:
        faults += error.faults
    if faults:
        raise ValidationFailed(faults)
    async with desk.database.transaction() as connection:
        invitation = await find_invitation(connection, token, desk.now)
        await hold_address(connection, invitation.email)
        if await find_user_by_email(connection, invitation.email) is not None:
            raise Conflict("user_exists", "There is a log-in for this address: log in to accept.")
        row = {"id": new_id(), "email": invitation.email, "name": name, "password_hash": hashed}
        await connection.execute(insert(tables.User).values(row | {"created_at": desk.now}))
        user = await find_user_by_email(connection, invitation.email)
        assert user is not None  # it was stored two lines above
        await accept_invitation(connection, invitation, user, desk.now, browser.address)
