"""Reading who a browser is logged in as, and who is a member of what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from hourpost import tables
from hourpost.accounts.queries import Account, User, find_account, get_user, list_accounts_of
from hourpost.rules.ids import to_text
from hourpost.rules.roles import Role
from hourpost.users.sessions import Session, find_session

USER_PREFIX = "usr"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person at a browser: the account they look at, if they are a member of any, and all that they may choose."""

    session: Session
    user: User
    account: Account | None
    role: Role | None
    accounts: tuple[Account, ...]

    @property
    def is_viewing(self) -> bool:
        """Whether staff look at an account that is not theirs."""
        viewed = self.session.viewed_account_id
        return self.user.is_staff and self.account is not None and self.account.id == viewed


@dataclass(frozen=True, slots=True)
class Member:
    """A person in an account."""

    user_id: UUID
    email: str
    name: str
    role: Role
    created_at: datetime
    has_second_factor: bool

    @property
    def public_id(self) -> str:
        """``usr_…``."""
        return to_text(USER_PREFIX, self.user_id)


async def find_signed_in(connection: AsyncConnection, token: str, now: datetime) -> SignedIn | None:
    """Who holds this session's token; also while the second factor is not shown yet, which the caller looks at."""
    session = await find_session(connection, token, now)
    if session is None:
        return None
    user = await get_user(connection, session.user_id)
    roles = await list_accounts_of(connection, user.id)
    accounts = tuple(account for account, _ in roles)
    if session.viewed_account_id is not None and user.is_staff:
        viewed = await find_account(connection, session.viewed_account_id)
        if viewed is not None:  # else it is gone, and there is nothing to leave
            return SignedIn(session, user, viewed, Role.VIEWER, accounts)
    chosen = next((one for one in roles if one[0].id == session.account_id), roles[0] if roles else None)
    account, role = chosen or (None, None)
    return SignedIn(session, user, account, Role(role) if role else None, accounts)


async def list_members(connection: AsyncConnection, account_id: UUID) -> list[Member]:
    """The people of an account, owners first."""
    user, membership = tables.User, tables.Membership
    has_passkey = select(tables.Passkey.id).where(tables.Passkey.user_id == user.id).exists()
    statement = (
        select(user.id, user.email, user.name, membership.role, user.created_at, user.totp_secret, has_passkey)
        .join(membership, membership.user_id == user.id)
        .where(membership.account_id == account_id)
        .order_by(membership.role != Role.OWNER, user.email)
    )
    return [
        Member(row[0], row[1], row[2], Role(row[3]), row[4], row[5] is not None or row[6])
        for row in await connection.execute(statement)
    ]
