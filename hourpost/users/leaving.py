"""Deleting one's own log-in."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.queries import User
from hourpost.errors import Conflict
from hourpost.rules.roles import Role


async def delete_user(connection: AsyncConnection, user: User) -> None:
    """Delete a user with sessions, passkeys and memberships. Raises: Conflict for the only owner of an account."""
    await _lock_owners(connection, user.id)
    owned = await _owned_alone(connection, user.id)
    if owned:
        names = ", ".join(owned[:3])
        raise Conflict("last_owner", f"You are the only owner of {names}: make somebody else one, or delete it first.")
    await connection.execute(delete(tables.User).where(tables.User.id == user.id))


async def _lock_owners(connection: AsyncConnection, user_id: UUID) -> None:
    """Of two owners who leave at once, the second finds that the first is gone."""
    mine, ours = tables.Membership.__table__.alias(), tables.Membership
    owned = select(mine.c.account_id).where(mine.c.user_id == user_id, mine.c.role == Role.OWNER)
    statement = select(ours.user_id).where(ours.account_id.in_(owned)).order_by(ours.account_id, ours.user_id)
    await connection.execute(statement.with_for_update())


async def _owned_alone(connection: AsyncConnection, user_id: UUID) -> list[str]:
    mine, other = tables.Membership.__table__.alias(), tables.Membership.__table__.alias()
    others = select(other.c.user_id).where(
        other.c.account_id == mine.c.account_id, other.c.role == Role.OWNER, other.c.user_id != user_id
    )
    statement = (
        select(tables.Account.name)
        .join(mine, mine.c.account_id == tables.Account.id)
        .where(mine.c.user_id == user_id, mine.c.role == Role.OWNER, ~others.exists())
    )
    return list((await connection.execute(statement)).scalars())
