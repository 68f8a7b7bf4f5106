"""The people of the dashboard's tests: one for each role of an account, a stranger, and nobody."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import delete, insert

from hourpost import tables
from hourpost.accounts.queries import Account
from hourpost.database import Database
from hourpost.rules.ids import new_id
from hourpost.rules.roles import Role
from hourpost.users.sessions import Browser, start_session
from tests.cast import make_account
from tests.fixtures.trust import TRUST

COOKIE = "hourpost"


@dataclass
class Surfer:
    """A browser without a script; follows nothing by itself, sends what browsers send."""

    http: httpx.Client
    user_id: UUID | None = None
    email: str = ""

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers=headers)

    def post(self, path: str, data: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        return self.http.post(path, data=data or {}, headers=headers)

    def follow(self, answer: httpx.Response) -> httpx.Response:
        assert answer.status_code == 303, answer.text
        found = self.get(answer.headers["location"])
        return (
            self.follow(found)
            if found.status_code == 303 and "kept=asked" in found.request.url.query.decode()
            else found
        )

    def show(self, token: str) -> None:
        """Have this session's token from now on."""
        self.http.cookies.clear()
        self.http.cookies.set(COOKIE, token, domain="127.0.0.1")

    @property
    def token(self) -> str | None:
        return self.http.cookies.get(COOKIE)


@dataclass
class Cast:
    """An account, with a surfer for each role; ``things`` fill the places of paths such as ``{session_id}``."""

    account: Account
    surfers: dict[str, Surfer]
    things: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, who: str) -> Surfer:
        return self.surfers[who]

    def close(self) -> None:
        for surfer in self.surfers.values():
            surfer.http.close()


def new_surfer(url: str) -> Surfer:
    return Surfer(httpx.Client(base_url=url, headers={"Origin": url}, timeout=30, verify=TRUST))


async def make_user(
    database: Database, password_hash: str | None = None, *, is_staff: bool = False
) -> tuple[UUID, str]:
    """A user who is a member of nothing yet."""
    user_id, email = new_id(), f"user-{uuid4().hex[:12]}@acme.test"
    values = {"id": user_id, "email": email, "name": "Ada Lovelace", "password_hash": password_hash}
    async with database.transaction() as connection:
        await connection.execute(
            insert(tables.User).values(values | {"is_staff": is_staff, "created_at": datetime.now(UTC)})
        )
    return user_id, email


async def join(database: Database, account: Account, user_id: UUID, role: str) -> None:
    async with database.transaction() as connection:
        values = {"account_id": account.id, "user_id": user_id, "role": role}
        await connection.execute(insert(tables.Membership).values(values))


async def log_in(database: Database, url: str, user_id: UUID, email: str = "") -> Surfer:
    """A surfer with a session, as after the log-in."""
    surfer = new_surfer(url)
    async with database.transaction() as connection:
        token = await start_session(connection, user_id, Browser("127.0.0.1", "a test"), datetime.now(UTC))
    surfer.show(token)
    surfer.user_id, surfer.email = user_id, email
    return surfer


async def make_member(database: Database, url: str, account: Account, role: str, **user: Any) -> Surfer:
    user_id, email = await make_user(database, **user)
    await join(database, account, user_id, role)
    return await log_in(database, url, user_id, email)


async def make_cast(database: Database, url: str, plan: str | None = "path") -> Cast:
    """Everybody: the roles, ``stranger`` who owns another account, ``nobody`` who is not logged in, ``staff``."""
    account, other = await make_account(database, plan), await make_account(database, plan)
    async with database.transaction() as connection:  # the owner that they were made with would be one too many
        await connection.execute(delete(tables.Membership).where(tables.Membership.account_id == account.id))
    surfers = {role.value: await make_member(database, url, account, role.value) for role in Role}
    surfers["stranger"] = await make_member(database, url, other, "owner")
    surfers["staff"] = await make_member(database, url, other, "owner", is_staff=True)
    surfers["nobody"] = new_surfer(url)
    return Cast(account, surfers)


def text_of(answer: httpx.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())
