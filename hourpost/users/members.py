"""Members of an account: inviting, joining, other roles, leaving. An account always keeps an owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.audit import Actor, note
from hourpost.accounts.queries import Account, User, find_user_by_email
from hourpost.errors import Conflict, Fault, Forbidden, NotFound, ValidationFailed
from hourpost.gateways.attempts import Counted
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.roles import May, Role, is_allowed
from hourpost.users import letters
from hourpost.users.desk import Desk
from hourpost.users.names import read_email
from hourpost.users.tokens import hashed, mint

PREFIX = "inv"
LIFETIME = timedelta(days=7)
MAX_INVITATIONS = 100
_FREE_INVITATIONS = 50
_WORTHLESS = "This invitation was used, withdrawn, or is too old. Ask for a new one."


@dataclass(frozen=True, slots=True)
class Invitation:
    """A place that waits for somebody."""

    id: UUID
    account_id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime
    account_name: str = ""

    @property
    def public_id(self) -> str:
        """``inv_…``."""
        return to_text(PREFIX, self.id)


async def invite(desk: Desk, account: Account, inviter: User, email: str, role: str, actor: Actor) -> str:
    """Mail an invitation; one to the same address replaces the one before. Gives the address.

    Raises: ValidationFailed, LimitExceeded, ServiceUnavailable.
    """
    faults: list[Fault] = []
    email = read_email(email, faults)
    if role not in set(Role) - {Role.OWNER}:
        faults.append(Fault("/role", "choose a role"))
    if faults:
        raise ValidationFailed(faults)
    await desk.attempts.begin([Counted("invite", str(account.id), _FREE_INVITATIONS)])
    await desk.postman.require_way()
    token, now = mint(), desk.now
    async with desk.database.transaction() as connection:
        if await _is_member(connection, account.id, email):
            raise ValidationFailed([Fault("/email", "is a member already")])
        values = {
            "id": new_id(),
            "account_id": account.id,
            "email": email,
            "role": role,
            "token_sha256": hashed(token),
            "invited_by": inviter.id,
            "created_at": now,
            "expires_at": now + LIFETIME,
        }
        ran_out = (tables.Invitation.account_id == account.id, tables.Invitation.expires_at <= now)
        await connection.execute(delete(tables.Invitation).where(*ran_out))
        statement = insert(tables.Invitation).values(values)
        await connection.execute(statement.on_conflict_do_update(index_elements=["account_id", "email"], set_=values))
        await note(connection, actor, "member_invited", now, email=email, role=role)
    link = desk.link("/invitation", token)
    await desk.postman.post(letters.invite(email, account.name, inviter.name or inviter.email, role, link))
    return email


async def list_invitations(connection: AsyncConnection, account_id: UUID, now: datetime) -> list[Invitation]:
    """The places of an account that wait, the newest first."""
    table = tables.Invitation
    statement = select(*_COLUMNS).where(table.account_id == account_id, table.expires_at > now)
    rows = await connection.execute(statement.order_by(table.id.desc()).limit(MAX_INVITATIONS))
    return [Invitation(row[0], row[1], row[2], Role(row[3]), row[4], row[5]) for row in rows]


async def withdraw_invitation(
    connection: AsyncConnection, account_id: UUID, invitation_id: UUID, actor: Actor, now: datetime
) -> None:
    """Make an invitation worthless. Raises: NotFound."""
    table = tables.Invitation
    statement = delete(table).where(table.account_id == account_id, table.id == invitation_id).returning(table.email)
    email = (await connection.execute(statement)).scalar()
    if email is None:
        raise NotFound("There is no such invitation.")
    await note(connection, actor, "invitation_withdrawn", now, email=email)


async def find_invitation(connection: AsyncConnection, token: str, now: datetime) -> Invitation:
    """What a link offers. Raises: NotFound."""
    table = tables.Invitation
    statement = select(*_COLUMNS, tables.Account.name).join(tables.Account, tables.Account.id == table.account_id)
    statement = statement.where(table.token_sha256 == hashed(token), table.expires_at > now)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound(_WORTHLESS)
    return Invitation(row[0], row[1], row[2], Role(row[3]), row[4], row[5], row[6])


async def accept_invitation(
    connection: AsyncConnection, invitation: Invitation, user: User, now: datetime, address: str
) -> None:
    """Make the user a member; who is one already keeps the role. Raises: Forbidden for another address, NotFound."""
    if user.email != invitation.email:
        message = f"This invitation is for {invitation.email}; you are logged in as {user.email}."
        raise Forbidden("restricted_api_key", message)
    used = delete(tables.Invitation).where(tables.Invitation.id == invitation.id).returning(tables.Invitation.id)
    if (await connection.execute(used)).one_or_none() is None:
        raise NotFound(_WORTHLESS)
    values = {"account_id": invitation.account_id, "user_id": user.id, "role": invitation.role}
    await connection.execute(insert(tables.Membership).values(values).on_conflict_do_nothing())
    actor = Actor(user.id, user.email, address, invitation.account_id)
    await note(connection, actor, "member_joined", now, role=invitation.role)


async def change_role(
    connection: AsyncConnection, account_id: UUID, user_id: UUID, role: str, actor: Actor, now: datetime
) -> None:
    """Give a member another role. Raises: NotFound, ValidationFailed, Forbidden, Conflict for the last owner."""
    if role not in set(Role):
        raise ValidationFailed([Fault("/role", "choose a role")])
    present = await _lock_role(connection, account_id, user_id)
    if Role.OWNER in (present, role) and not _owns(actor):
        raise Forbidden("restricted_api_key", "Only an owner makes somebody an owner, or takes that away.")
    await _keep_an_owner(connection, account_id, present, Role(role))
    table = tables.Membership
    mine = (table.account_id == account_id, table.user_id == user_id)
    await connection.execute(update(table).where(*mine).values(role=role))
    await note(connection, actor, "role_changed", now, email=await _email_of(connection, user_id), role=role)


async def remove_member(
    connection: AsyncConnection, account_id: UUID, user_id: UUID, actor: Actor, now: datetime
) -> None:
    """Take a member out of the account. Raises: NotFound, Forbidden, Conflict for the last owner."""
    present = await _lock_role(connection, account_id, user_id)
    is_self = actor.user_id == user_id
    if present is Role.OWNER and not is_self and not _owns(actor):
        raise Forbidden("restricted_api_key", "Only an owner removes an owner.")
    await _keep_an_owner(connection, account_id, present, None)
    table = tables.Membership
    await connection.execute(delete(table).where(table.account_id == account_id, table.user_id == user_id))
    email = await _email_of(connection, user_id)
    await note(connection, actor, "member_left" if is_self else "member_removed", now, email=email)


def _owns(actor: Actor) -> bool:
    return actor.role is not None and is_allowed(actor.role, May.OWN)


async def _lock_role(connection: AsyncConnection, account_id: UUID, user_id: UUID) -> Role:
    """The member's role; all roles of the account stay until the transaction ends."""
    table = tables.Membership
    statement = select(table.user_id, table.role).where(table.account_id == account_id).order_by(table.user_id)
    rows = (await connection.execute(statement.with_for_update())).all()
    found = next((row.role for row in rows if row.user_id == user_id), None)
    if found is None:
        raise NotFound("There is no such member.")
    return Role(found)


async def _keep_an_owner(connection: AsyncConnection, account_id: UUID, present: Role, wanted: Role | None) -> None:
    if present is not Role.OWNER or wanted is Role.OWNER:
        return
    table = tables.Membership
    statement = select(table.user_id).where(table.account_id == account_id, table.role == Role.OWNER)
    if len((await connection.execute(statement)).all()) < 2:
        raise Conflict("last_owner", "An account keeps an owner: make somebody else one first.")


async def _is_member(connection: AsyncConnection, account_id: UUID, email: str) -> bool:
    user = await find_user_by_email(connection, email)
    if user is None:
        return False
    table = tables.Membership
    statement = select(table.user_id).where(table.account_id == account_id, table.user_id == user.id)
    return (await connection.execute(statement)).one_or_none() is not None


async def _email_of(connection: AsyncConnection, user_id: UUID) -> str:
    return str((await connection.execute(select(tables.User.email).where(tables.User.id == user_id))).scalar() or "")


_COLUMNS = (
    tables.Invitation.id,
    tables.Invitation.account_id,
    tables.Invitation.email,
    tables.Invitation.role,
    tables.Invitation.created_at,
    tables.Invitation.expires_at,
)
