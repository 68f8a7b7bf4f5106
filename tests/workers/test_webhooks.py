"""Letters to the owners of webhooks that were disabled."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID

from sqlalchemy import text

from hourpost.flow.postman import Postman
from hourpost.webhooks.changes import Change, create_webhook, update_webhook
from tests.api.web.dashboard.people import join, make_user
from tests.cast import CIPHER, make_account, make_domain
from workers.webhooks import WebhookChores

URL = "https://post.example"


async def disabled(rounds, clock) -> tuple[UUID, UUID]:
    """Account and webhook."""
    account = await make_account(rounds.database)
    async with rounds.database.transaction() as connection:
        made = await create_webhook(
            connection, account.id, "https://acme.example/hooks", ["email.sent"], CIPHER, clock.now()
        )
    statement = "UPDATE webhooks SET failing_since = :now, disabled_at = :now, disabled_reason = 'x'"
    await rounds.execute(statement, now=clock.now())
    return account.id, made.webhook.id


async def letters(rounds) -> list[str]:
    async with rounds.database.reading() as connection:
        return list((await connection.execute(text("SELECT subject FROM emails"))).scalars())


async def test_the_owner_is_written_to_once(rounds, clock):
    await make_domain(rounds.database, await make_account(rounds.database), "post.test")
    account, webhook = await disabled(rounds, clock)
    postman = Postman(rounds.database, rounds.office.intake, clock, "Hourpost <hello@post.test>")
    chores = WebhookChores(rounds.database, clock, postman, URL)
    for _ in range(2):
        await chores.tell()
    assert await letters(rounds) == ["A webhook of yours was disabled"]
    async with rounds.database.transaction() as connection:
        await update_webhook(connection, account, webhook, Change(enabled=True), clock.now())
        await update_webhook(connection, account, webhook, Change(enabled=False), clock.now())
    await chores.tell()
    assert len(await letters(rounds)) == 1  # who disables it by hand knows


async def test_a_letter_that_cannot_leave_is_tried_again(rounds, clock):
    await disabled(rounds, clock)
    postman = Postman(rounds.database, rounds.office.intake, clock, "Hourpost <hello@unverified.test>")
    await WebhookChores(rounds.database, clock, postman, URL).tell()
    async with rounds.database.reading() as connection:
        assert (await connection.execute(text("SELECT told_at FROM webhooks"))).scalar_one() is None


async def test_those_who_see_to_webhooks_are_written_to_and_nobody_who_has_left(rounds, clock):
    await make_domain(rounds.database, await make_account(rounds.database), "post.test")
    account, _ = await disabled(rounds, clock)
    await rounds.execute("DELETE FROM memberships WHERE account_id = :account", account=account)
    told = []
    for role in ("admin", "developer", "viewer", "billing"):
        user_id, email = await make_user(rounds.database)
        await join(rounds.database, SimpleNamespace(id=account), user_id, role)
        told += [email] if role in ("admin", "developer") else []
    postman = Postman(rounds.database, rounds.office.intake, clock, "Hourpost <hello@post.test>")
    await WebhookChores(rounds.database, clock, postman, URL).tell()
    async with rounds.database.reading() as connection:
        addresses = (await connection.execute(text("SELECT address FROM deliveries"))).scalars()
        assert sorted(addresses) == sorted(told)
