"""STORE and EXPUNGE (RFC 9051 §6.4.3 and §6.4.6, RFC 7162, RFC 4315)."""

from __future__ import annotations

from collections.abc import Sequence

from api.imap.acts.choosing import choose, ranges_of
from api.imap.acts.flagging import FlagWriter, is_condstore, use_condstore
from api.imap.grammar.commands import Command
from api.imap.grammar.messages import Expunge, Store
from api.imap.grammar.sets import Saved
from api.imap.open_folders import Flagged
from api.imap.replies import No
from api.imap.session import Session
from api.imap.view import View
from api.imap.writing.words import write_numbers
from hourpost.mailboxes.message_changes import FlagChange, Stored, Way
from hourpost.mailboxes.messages import list_rows
from hourpost.mailboxes.uid_ranges import ALL_UIDS, UidRanges
from hourpost.rules.mail_flags import split_flags

_WAYS = {"+": Way.ADD, "-": Way.REMOVE, "": Way.REPLACE}


def writable(session: Session) -> View:
    """The selected folder. Raises: No after EXAMINE."""
    view = session.view
    assert view is not None
    if view.is_readonly:
        raise No("CANNOT", "the folder was opened by EXAMINE, which changes nothing")
    return view


async def store(session: Session, command: Command) -> str:
    """STORE and UID STORE."""
    request = command.argument
    assert isinstance(request, Store)
    view = writable(session)
    if request.unchanged_since is not None:
        use_condstore(session)
    await view.load()
    uids = choose(view, request.chosen, is_uid=command.is_uid)
    if not uids:
        return "OK STORE completed, on no message"
    flags, keywords = split_flags(request.flags)
    change = FlagChange(_WAYS[request.mode], int(flags), keywords, request.unchanged_since)
    ranges = ranges_of(view, uids)
    stored = await session.door.store.store_flags(view.state.mailbox_id, view.state.folder_id, ranges, change)
    # Where somebody else has changed the folder meanwhile, a silent client knows only its own half of the flags
    if not request.is_silent or stored.modseq == view.modseq + 1:
        view.has_told((row.uid, row.modseq) for row in stored.changed)
    is_whole = await _tell(session, view, command, uids, stored)
    return _conclude(view, stored, is_uid=command.is_uid, is_whole=is_whole)


async def _tell(session: Session, view: View, command: Command, uids: Sequence[int], stored: Stored) -> bool:
    """Write what the messages' flags are now, and their MODSEQ to who knows CONDSTORE; whether all were there."""
    request = command.argument
    assert isinstance(request, Store)
    if request.is_silent and not is_condstore(session):
        return True
    rows: Sequence[Flagged] = stored.changed
    is_whole = True
    if not request.is_silent and len(stored.changed) < len(uids):
        rows = await session.door.store.read(list_rows, view.state.folder_id, ranges_of(view, uids))
        is_whole = len(rows) == len(uids)
        missed = set(stored.missed)
        rows = [row for row in rows if row.uid not in missed]
    writer = FlagWriter(session, view)
    await writer.prepare(rows)
    with_uid = command.is_uid or "QRESYNC" in session.enabled
    for row in rows:
        number = view.number_of(row.uid)
        session.outlet.write(writer.write_answer(number, row, with_uid=with_uid, with_flags=not request.is_silent))
    await session.outlet.drain()
    return is_whole


def _conclude(view: View, stored: Stored, *, is_uid: bool, is_whole: bool) -> str:
    if stored.missed:
        missed = stored.missed if is_uid else [view.number_of(uid) for uid in stored.missed]
        return f"OK [MODIFIED {write_numbers(missed)}] some had changed and were left alone"
    return "OK STORE completed" if is_whole else "OK [EXPUNGEISSUED] STORE completed, but some are gone"


async def expunge(session: Session, command: Command) -> str:
    """EXPUNGE and UID EXPUNGE; what is gone is told before the tagged line, like every other change."""
    view = writable(session)
    request = command.argument
    assert isinstance(request, Expunge)
    await view.load()
    ranges: UidRanges = ALL_UIDS
    if isinstance(request.chosen, Saved):
        ranges = ranges_of(view, choose(view, request.chosen, is_uid=True))
    elif request.chosen is not None:
        ranges = request.chosen.resolve(view.last_uid)
    expunged = await session.door.store.expunge(view.state.mailbox_id, view.state.folder_id, ranges)
    if "QRESYNC" in session.enabled and expunged.uids:
        return f"OK [HIGHESTMODSEQ {expunged.modseq}] EXPUNGE completed"
    return "OK EXPUNGE completed"
