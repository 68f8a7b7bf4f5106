r"""FETCH: rows alone where that is enough, content only for who asks for it, all of it streamed.

A message that was expunged, of which this client has not been told, is still answered as long as it is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from api.imap.acts.choosing import choose, ranges_of
from api.imap.acts.content_fetching import write_contents
from api.imap.acts.fetch_plan import Plan, make_plan
from api.imap.acts.flag_fetching import fetch_flags, is_light
from api.imap.acts.flagging import FlagWriter, is_condstore, use_condstore
from api.imap.acts.vanishing import write_earlier
from api.imap.grammar.commands import Command
from api.imap.grammar.fetching import Fetch
from api.imap.replies import Bad, No
from api.imap.view import View
from api.imap.writing.fetched import write_lines
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.messages import MessageRow, list_expunged_rows, list_rows
from hourpost.rules.mail_flags import Flag

if TYPE_CHECKING:
    from api.imap.session import Session

_ROWS = 2000  # read at once
_ROWS_OF_CONTENT = 250
_LINES = 100  # written at once


async def fetch(session: Session, command: Command) -> str:
    """FETCH and UID FETCH."""
    request = command.argument
    assert isinstance(request, Fetch)
    view = session.view
    assert view is not None
    if request.wants_vanished and not (command.is_uid and "QRESYNC" in session.enabled):
        raise Bad("VANISHED is for UID FETCH after ENABLE QRESYNC")
    plan = make_plan(request, is_uid=command.is_uid, is_utf8=session.is_utf8)
    if "MODSEQ" in plan.names:
        use_condstore(session)
    await view.load()
    uids = choose(view, request.chosen, is_uid=command.is_uid)
    if request.wants_vanished:
        await write_earlier(session, view, request, uids)
    is_whole = await _fetch_all(session, view, plan, uids)
    if not is_whole:
        raise No("EXPUNGEISSUED", "some of the messages are gone")
    return "OK FETCH completed"


async def _fetch_all(session: Session, view: View, plan: Plan, uids: Sequence[int]) -> bool:
    """Write the answer for each message; whether all were there."""
    if is_light(plan, uids) and len(ranges_of(view, uids)) == 1 and not view.gone:
        return await fetch_flags(session, view, plan, uids)
    flags = FlagWriter(session, view)
    is_whole = True
    needs_few = plan.needs_content and (plan.marks_seen or not plan.is_of_whole)
    for some in _slices(uids, _ROWS_OF_CONTENT if needs_few else _ROWS):
        await _mark_seen(session, view, plan, some)
        rows = await _read_rows(session, view, plan, some)
        is_whole = is_whole and (plan.changed_since is not None or len(rows) == len(some))
        if plan.needs_flags:
            await flags.prepare(rows)
        if plan.needs_content:
            is_whole = await write_contents(session, view, plan, flags, rows) and is_whole
        else:
            await _write_rows(session, view, plan, flags, rows)
    return is_whole


async def _write_rows(session: Session, view: View, plan: Plan, flags: FlagWriter, rows: Sequence[MessageRow]) -> None:
    outlet, attributes = session.outlet, plan.attributes(flags)
    numbers = view.numbers_of([row["uid"] for row in rows])
    for at in range(0, len(rows), _LINES):
        end = at + _LINES
        outlet.write(write_lines(numbers[at:end], attributes, rows[at:end]))
        await outlet.drain()


async def _read_rows(session: Session, view: View, plan: Plan, uids: Sequence[int]) -> list[MessageRow]:
    store, folder_id = session.door.store, view.state.folder_id
    since = plan.changed_since or 0
    rows = await store.read(list_rows, folder_id, ranges_of(view, uids), plan.want, changed_since=since)
    if len(rows) == len(uids) or plan.changed_since is not None:
        return rows
    found = {row.uid for row in rows}
    missing = [uid for uid in uids if uid not in found]
    gone = await store.read(list_expunged_rows, folder_id, missing, view.expunged_modseq, plan.want)
    return sorted([*rows, *gone], key=lambda row: row.uid)


async def _mark_seen(session: Session, view: View, plan: Plan, uids: Sequence[int]) -> None:
    r"""Set \Seen where something is fetched without PEEK; the answer then tells the flags."""
    if not plan.marks_seen or view.is_readonly or not uids:
        return
    ranges = ranges_of(view, uids)
    change = FlagChange(Way.ADD, int(Flag.SEEN))
    stored = await session.door.store.store_flags(view.state.mailbox_id, view.state.folder_id, ranges, change)
    plan.seen = {row.uid for row in stored.changed}
    plan.tells_modseq = is_condstore(session)
    view.has_told((row.uid, row.modseq) for row in stored.changed)


def _slices(uids: Sequence[int], length: int) -> Iterator[Sequence[int]]:
    return (uids[at : at + length] for at in range(0, len(uids), length))
