"""What has served its time is deleted, however much of it there is, and nothing that has not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from hourpost.assembly import build_parts
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import from_text, new_id, to_text
from tests.api.web.dashboard.mail import make_email
from tests.cast import make_account
from tests.fakes.clock import FakeClock
from workers import pruning
from workers.chores import build_schedule
from workers.pruning import KEPT, Pruning, Rows

AGED = {
    "spends": "INSERT INTO spends (account_id, spent_at, count) VALUES (:account, :at, 1)",
    "idempotency_keys": "INSERT INTO idempotency_keys (account_id, key, body_sha256, answer, created_at)"
    " VALUES (:account, :name, '', '{}', :at)",
    "webhook_calls": "INSERT INTO webhook_calls (webhook_id, event_id, kind, state, due_at, created_at)"
    " VALUES (:webhook, :id, 'k', 'success', :at, :at)",
    "webhook_attempts": "INSERT INTO webhook_attempts (id, webhook_id, event_id, response, seconds, sent_at)"
    " VALUES (:id, :webhook, :id, '', 1, :at)",
    "sent_copies": "INSERT INTO sent_copies (email_id, mailbox_id, is_own, settled, looked_at, created_at)"
    " VALUES (:id, :mailbox, false, true, :at, :at)",
    "stripe_events": "INSERT INTO stripe_events (id, kind, created_at, received_at) VALUES (:name, 'k', :at, :at)",
    "hour_peaks": "INSERT INTO hour_peaks (account_id, day, used, hourly_limit, at)"
    " VALUES (:account, CAST(:at AS timestamptz)::date, 1, 1, :at)",
}
OLD, YOUNG = 8, 2


def id_of(moment: datetime) -> UUID:
    """An id as it is made at that moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | new_id().int & (1 << 80) - 1)


async def insert(database, rows: Rows, at: datetime, count: int) -> None:
    """Rows of that age, each of an account, a webhook and a mailbox that are nowhere else."""
    async with database.transaction() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for number in range(count):
            known = {"at": at, "id": id_of(at), "name": f"{at} {number}"}
            known |= {name: new_id() for name in ("account", "webhook", "mailbox")}
            statement = AGED[rows.table]
            wanted = {name: value for name, value in known.items() if f":{name}" in statement}
            await connection.execute(text(statement), wanted)


async def count(database, table: str) -> int:
    async with database.reading() as connection:
        return (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()


@pytest.mark.parametrize("rows", KEPT, ids=lambda rows: rows.table)
async def test_what_is_over_is_deleted_little_by_little_and_the_rest_stays(fresh_database, rows, monkeypatch):
    monkeypatch.setattr(pruning, "AT_ONCE", 3)
    clock = FakeClock()
    clock.moment = datetime(2026, 11, 26, 12, tzinfo=UTC)
    await insert(fresh_database, rows, clock.now() - rows.age - timedelta(minutes=1), OLD)
    await insert(fresh_database, rows, clock.now() - rows.age + timedelta(hours=1), YOUNG)
    await Pruning(fresh_database, clock, email_days=90).prune()
    assert await count(fresh_database, rows.table) == YOUNG


async def test_nobody_is_waited_for(fresh_database):
    clock, spends = FakeClock(), KEPT[0]
    await insert(fresh_database, spends, clock.now() - timedelta(days=1), OLD)
    async with fresh_database.transaction() as connection:
        await connection.execute(text("SELECT 1 FROM spends LIMIT 1 FOR UPDATE"))
        await Pruning(fresh_database, clock, email_days=90).prune()
    assert await count(fresh_database, "spends") == 1


@pytest.mark.parametrize(("table", "column"), [("sent_copies", "settled = false"), ("stripe_events", "due_at = now()")])
async def test_what_is_not_done_with_stays_however_old(fresh_database, table, column):
    clock, rows = FakeClock(), next(one for one in KEPT if one.table == table)
    await insert(fresh_database, rows, clock.now() - 2 * rows.age, OLD)
    async with fresh_database.transaction() as connection:
        await connection.execute(text(f"UPDATE {table} SET {column}"))
    await Pruning(fresh_database, clock, email_days=90).prune()
    assert await count(fresh_database, table) == OLD


async def test_emails_of_long_ago_go_with_all_that_hangs_on_them_and_what_waits_stays(fresh_database, monkeypatch):
    monkeypatch.setattr(pruning, "EMAILS_AT_ONCE", 2)
    account, clock = await make_account(fresh_database), FakeClock()
    for _ in range(5):
        await make_email(fresh_database, account, state=State.SENT)
    late = await make_email(fresh_database, account, state=State.SENT)
    held = await make_email(fresh_database, account, "ada@far.test", "bo@far.test", state=State.HELD)
    copied = await make_email(fresh_database, account, state=State.SENT)
    filed = await make_email(fresh_database, account, state=State.SENT)
    async with fresh_database.transaction() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text("UPDATE deliveries SET state = 'sent' WHERE address = 'bo@far.test'"))
        await connection.execute(
            text(
                "INSERT INTO sent_copies (email_id, mailbox_id, is_own, settled, looked_at, created_at)"
                " VALUES (:id, :id, true, false, now(), now())"
            ),
            {"id": from_text("em", copied)},
        )
        await connection.execute(
            text(
                "INSERT INTO expunges (folder_id, modseq, uid, flags, size_bytes, received_at, saved_at, content_id,"
                " thread_id, expunged_at) VALUES (:id, 1, 1, 0, 1, now(), now(), :id, :id, now())"
            ),
            {"id": from_text("em", filed)},
        )
    pruning_ = Pruning(fresh_database, clock, email_days=90)
    for days, left in ((timedelta(days=90, hours=-1), 9), (timedelta(days=90, hours=1), 3)):
        clock.moment = datetime.now(UTC) + days
        async with fresh_database.transaction() as connection:  # it was scheduled, and has left a day ago
            await connection.execute(
                text("UPDATE deliveries SET changed_at = :at WHERE email_id = :id"),
                {"id": from_text("em", late), "at": clock.now() - timedelta(days=1)},
            )
        await pruning_.erase_emails()
        assert await count(fresh_database, "emails") == left
    async with fresh_database.reading() as connection:
        left = {
            table: sorted(to_text("em", one) for one in await connection.scalars(text(f"SELECT {key} FROM {table}")))
            for table, key in (
                ("emails", "id"),
                ("deliveries", "email_id"),
                ("events", "email_id"),
                ("content_chunks", "content_id"),
            )
        }
    assert left["emails"] == sorted([late, held, copied])
    assert left["deliveries"] == sorted([late, held, held, copied])
    assert set(left["events"]) <= {late, held, copied}
    assert left["content_chunks"] == sorted([late, held, copied, filed])  # the last one's is still a message's


async def test_what_deletes_is_among_the_schedule_s_chores(settings):
    parts = build_parts(settings, "test")
    assert {"prune", "erase emails", "erase what webhooks left"} <= {
        chore.name for chore in build_schedule(parts)._chores
    }
    await parts.database.close()
