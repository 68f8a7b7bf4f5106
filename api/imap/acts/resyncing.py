"""SELECT (QRESYNC …): what changed and what vanished while the client was away (RFC 7162 §3.2.5)."""

from __future__ import annotations

from api.imap.acts.flagging import FlagWriter
from api.imap.acts.vanishing import write_vanished
from api.imap.grammar.folders import Resync
from api.imap.session import Session
from api.imap.view import View
from hourpost.mailboxes.folders import Folder
from hourpost.mailboxes.messages import list_rows


async def resynchronise(session: Session, view: View, folder: Folder, resync: Resync) -> None:
    """Write VANISHED (EARLIER) and a FETCH for each change; nothing when the client's UIDs are of another life."""
    if resync.uidvalidity != folder.uidvalidity or resync.modseq >= view.modseq:
        return
    await view.load()
    known = [(1, max(view.state.uidnext - 1, 1))]
    if resync.known_uids is not None:
        known = resync.known_uids.resolve(view.last_uid)
    await write_vanished(session, view, known, resync.modseq)
    rows = await session.door.store.read(list_rows, folder.id, known, changed_since=resync.modseq)
    writer = FlagWriter(session, view)
    await writer.prepare(rows)
    for row in rows:
        number = view.number_of(row.uid)
        if number:
            session.outlet.write(writer.write_answer(number, row, with_uid=True))
            await session.outlet.drain()
