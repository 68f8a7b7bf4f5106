"""Reports: what others tell us later of mail that had left: bounces, complaints, and news that it arrived.

A report counts only with the Message-ID of one of the account's own emails, or with the id that its envelope bore,
which only those know who got it: without it anybody could have any address suppressed. So mail that was forwarded is
found by its envelope's id alone: its Message-ID is its writer's, who could report whatever they like. A report with
neither is of nobody: a return path of its own for each email (VERP) would name it, but the envelope is the sender's,
and is kept.

Who got a mail together with others knows its Message-ID too, and could have them suppressed: of such mail only that
report suppresses which bears the id of the envelope, or is known to come from where the recipient's mail is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hourpost.database import HotStatement
from hourpost.errors import ServiceUnavailable
from hourpost.gateways.authentication.dmarc_policies import organisation_of
from hourpost.rules.bounces import Action, Report, Reported
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import from_text, new_id
from hourpost.rules.report_wishes import from_xtext
from hourpost.rules.smtp_replies import is_bad_address
from hourpost.webhooks.telling import with_calls

EMAIL = "em"
_STATES = {Action.FAILED: State.BOUNCED, Action.DELIVERED: State.DELIVERED}
_NEVER_LEFT = frozenset({State.SCHEDULED, State.HELD, State.QUEUED, State.CANCELED, State.SUPPRESSED})
_BEFORE = {
    State.BOUNCED: frozenset({State.SENT, State.DELIVERED, State.UNKNOWN}),
    State.DELIVERED: frozenset({State.SENT, State.UNKNOWN}),
    None: frozenset(State) - _NEVER_LEFT,
}
"""In which states a delivery may be for news of what follows, or of a complaint."""

# Without a code: what was said to the sender's address, and what may pass
_IN_DOUBT = re.compile(r"\bmail from\b|\btemporar", re.IGNORECASE)

# Locked until the transaction ends: a worker that is just writing its verdict comes first.
_FIND = (
    "SELECT d.email_id, d.position, d.address, d.state FROM emails e JOIN deliveries d ON d.email_id = e.id"
    " WHERE {known_as} AND e.account_id = :account AND NOT e.test ORDER BY d.email_id, d.position FOR UPDATE OF d"
)
_FIND_BY_ENVELOPE = HotStatement(_FIND.format(known_as="e.id = :email"))
_FIND_BY_MESSAGE = HotStatement(_FIND.format(known_as="e.message_id = :message_id AND e.source <> 'forward'"))
# Asked once the deliveries are locked: another complaint may just have been written
_COMPLAINED = HotStatement(
    "SELECT DISTINCT email_id, position FROM events"
    " WHERE email_id = ANY(CAST(:emails AS uuid[])) AND kind = 'complained'"
)
_FIND_FORWARD = HotStatement(
    "SELECT 1 FROM emails e JOIN sent_copies s ON s.email_id = e.id AND s.mailbox_id = :mailbox"
    " WHERE (e.id = :email OR e.message_id = :message_id) AND e.account_id = :account AND e.source = 'forward' LIMIT 1"
)
_CHANGE = HotStatement(
    with_calls(
        """
WITH r AS (
  SELECT * FROM unnest(CAST(:email AS uuid[]), CAST(:position AS int[]), CAST(:state AS text[]),
    CAST(:event AS text[]), CAST(:event_id AS uuid[]), CAST(:detail AS text[]))
    AS r(email, position, state, event, event_id, detail)
), changed AS (
  UPDATE deliveries d SET state = r.state, changed_at = :now, waits_for = NULL
  FROM r WHERE d.email_id = r.email AND d.position = r.position AND r.state IS NOT NULL
), filed AS (
  UPDATE sent_copies s SET settled = false, looked_at = :now FROM r WHERE s.email_id = r.email AND r.state IS NOT NULL
), told AS (
  INSERT INTO events (email_id, id, position, account_id, kind, at, detail)
  SELECT r.email, r.event_id, r.position, CAST(:account AS uuid), r.event, CAST(:now AS timestamptz), r.detail::jsonb
  FROM r
  {told}
), calls AS ({calls})
SELECT count(*) AS calls FROM calls
"""
    )
)
_SUPPRESS = HotStatement(
    "INSERT INTO suppressions (account_id, address, id, reason, email_id, created_at)"
    " SELECT :account, w.address, w.id, w.reason, w.email, :now"
    " FROM unnest(CAST(:address AS text[]), CAST(:id AS uuid[]), CAST(:reason AS text[]), CAST(:email AS uuid[]))"
    " AS w(address, id, reason, email) ORDER BY 2 ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class News:
    """What a report says of one delivery."""

    email_id: UUID
    position: int
    address: str  # as we wrote to it
    reported: Reported
    is_proven: bool = True  # that no other recipient has made it up

    @property
    def state(self) -> State | None:
        """The state that follows, or None where only an event does."""
        return _STATES.get(self.reported.action)

    @property
    def suppression(self) -> str | None:
        """The reason why nothing is sent there any more."""
        one = self.reported
        if not self.is_proven:
            return None
        if one.action is Action.COMPLAINED:
            return "complaint"
        is_general = one.status is None or one.status.endswith(".0.0")
        if one.code is None and is_general and _IN_DOUBT.search(one.text):
            return None
        code = one.code or (int(one.status[0]) * 100 + 50 if one.status else 550)  # what is not said is meant for good
        return "bounce" if one.action is Action.FAILED and is_bad_address(code, one.status, one.text) else None


async def record_report(
    connection: asyncpg.Connection,
    account_id: UUID,
    report: Report,
    source: dict[str, Any],
    now: datetime,
    *,
    speaks_for: str = "",
) -> bool:
    """Write what a report says about the account's deliveries; tells whether it is about an email of the account.

    Nothing follows from a delay, from mail that was relayed or expanded, nor for a recipient that we did not write to
    or have not written to yet; nor from a second complaint about a delivery. A test is no email that left.
    ``source`` goes into the events' detail; ``speaks_for`` is the domain whose servers are known to have sent it.
    Raises: ServiceUnavailable while a delivery is still being sent.
    """
    rows, is_proven = await _find(connection, account_id, report)
    news = [
        one if is_proven or _is_of(one.address, speaks_for) else replace(one, is_proven=False)
        for one in match(report, rows)
        if one.reported.action is not Action.DELAYED
    ]
    states = {(row.email_id, row.position): State(row.state) for row in rows}
    if any(states[one.email_id, one.position] is State.SENDING for one in news):
        raise ServiceUnavailable("That delivery is just being sent.", retry_after_seconds=60)
    possible = [one for one in news if states[one.email_id, one.position] in _BEFORE[one.state]]
    fresh = await _without_known(connection, possible)
    if fresh:
        await _write(connection, account_id, fresh, source, now)
    return bool(rows)


async def _without_known(connection: asyncpg.Connection, news: Sequence[News]) -> Sequence[News]:
    """Leave out complaints about deliveries that were complained of."""
    complaints = {one.email_id for one in news if one.reported.action is Action.COMPLAINED}
    if not complaints:
        return news
    known = {(row.email_id, row.position) for row in await _COMPLAINED.run(connection, {"emails": list(complaints)})}
    return [
        one for one in news if one.reported.action is not Action.COMPLAINED or (one.email_id, one.position) not in known
    ]


async def is_about_forward(connection: asyncpg.Connection, account_id: UUID, mailbox_id: UUID, report: Report) -> bool:
    """Whether a report speaks of mail that the mailbox has sent on, as far as its writer is to be believed."""
    known_as = {"email": _named(report), "message_id": report.message_id or None}
    arguments = {**known_as, "account": account_id, "mailbox": mailbox_id}
    return bool(await _FIND_FORWARD.run(connection, arguments))


def _named(report: Report) -> UUID | None:
    """The email whose id its envelope bore."""
    return from_text(EMAIL, report.envelope_id.lower())


def _is_of(address: str, domain: str) -> bool:
    return bool(domain) and organisation_of(address.rpartition("@")[2].lower()) == organisation_of(domain)


async def _find(connection: asyncpg.Connection, account_id: UUID, report: Report) -> tuple[Sequence[Any], bool]:
    """The deliveries of the email that it is about, locked; a Message-ID may be that of several.

    And whether nobody else has seen what it knows the email by.
    """
    rows: Sequence[Any] = ()
    email_id = _named(report)
    if email_id is not None:
        rows = await _FIND_BY_ENVELOPE.run(connection, {"email": email_id, "account": account_id})
    if rows:
        return rows, True
    for message_id in (report.message_id, _as_message_id(report.envelope_id)):
        if not rows and message_id:
            rows = await _FIND_BY_MESSAGE.run(connection, {"message_id": message_id, "account": account_id})
    return rows, len(rows) == 1


def _as_message_id(envelope_id: str) -> str:
    """The Message-ID that many clients name the envelope by; empty where it is none."""
    name = from_xtext(envelope_id).strip("<>")
    return f"<{name}>" if "@" in name else ""


def match(report: Report, rows: Sequence[Any]) -> Iterable[News]:
    """Which deliveries (``email_id``, ``position``, ``address``) a report speaks of.

    A recipient that we never wrote to is where the only recipient has sent it on to.
    """
    by_address = {row.address.lower(): row for row in rows}
    only = rows[0] if len(rows) == 1 else None
    seen = set()
    for one in report.recipients:
        named = (by_address.get(address.lower()) for address in (one.address, one.other_address))
        row = next((row for row in named if row is not None), only)
        if row is not None and row.position not in seen:
            seen.add(row.position)
            yield News(row.email_id, row.position, row.address, one)


async def _write(
    connection: asyncpg.Connection, account_id: UUID, news: Sequence[News], source: dict[str, Any], now: datetime
) -> None:
    await _CHANGE.run(
        connection,
        {
            "email": [one.email_id for one in news],
            "position": [one.position for one in news],
            "state": [one.state.value if one.state else None for one in news],
            "event": [one.state.value if one.state else "complained" for one in news],
            "event_id": [new_id() for _ in news],
            "detail": [_detail(one.reported, source) for one in news],
            "account": account_id,
            "now": now,
        },
    )
    bad = [(one, reason) for one in news if (reason := one.suppression) is not None]
    if bad:
        await _SUPPRESS.run(
            connection,
            {
                "account": account_id,
                "address": [one.address.lower() for one, _ in bad],
                "id": [new_id() for _ in bad],
                "reason": [reason for _, reason in bad],
                "email": [one.email_id for one, _ in bad],
                "now": now,
            },
        )


def _detail(one: Reported, source: dict[str, Any]) -> str:
    said = {"code": one.code, "enhanced": one.status, "reply": one.text.replace("\x00", "")}
    return orjson.dumps({**said, **source}).decode()
