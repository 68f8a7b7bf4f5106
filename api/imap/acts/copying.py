"""COPY and MOVE (RFC 9051 §6.4.7 and §6.4.8), each in one transaction: all messages or none."""

from __future__ import annotations

from api.imap.acts.choosing import choose, ranges_of
from api.imap.acts.naming import to_stored_name
from api.imap.acts.storing import writable
from api.imap.grammar.commands import Command
from api.imap.grammar.messages import Copy
from api.imap.replies import No, untagged
from api.imap.session import Session
from api.imap.writing.words import write_numbers
from hourpost.mailboxes.folders import Folder, find_folder
from hourpost.mailboxes.message_changes import Copied


async def copy(session: Session, command: Command) -> str:
    """COPY and UID COPY."""
    request, view = command.argument, session.view
    assert isinstance(request, Copy)
    assert view is not None
    await view.load()
    uids = choose(view, request.chosen, is_uid=command.is_uid)
    target = await find_target(session, request.folder)
    if not uids:
        return "OK COPY completed, of no message"
    state = view.state
    copied = await session.door.store.copy(state.mailbox_id, state.folder_id, ranges_of(view, uids), target.id)
    if len(copied.uids) < len(uids):
        return f"OK {_write_uids(copied) or '[EXPUNGEISSUED]'} COPY completed, but some are gone"
    return f"OK {_write_uids(copied)} COPY completed"


async def move(session: Session, command: Command) -> str:
    """MOVE and UID MOVE: where they are now is told first, then that they are gone from here."""
    view, request = writable(session), command.argument
    assert isinstance(request, Copy)
    await view.load()
    uids = choose(view, request.chosen, is_uid=command.is_uid)
    target = await find_target(session, request.folder)
    if not uids:
        return "OK MOVE completed, of no message"
    state = view.state
    moved = await session.door.store.move(state.mailbox_id, state.folder_id, ranges_of(view, uids), target.id)
    if moved.uids:
        session.outlet.write(untagged(f"OK {_write_uids(moved)} moved"))
    if "QRESYNC" in session.enabled and moved.uids:
        return f"OK [HIGHESTMODSEQ {moved.source_modseq}] MOVE completed"
    return "OK MOVE completed"


async def find_target(session: Session, name: str) -> Folder:
    """The folder messages go to. Raises: No with TRYCREATE."""
    entered = session.entered
    assert entered is not None
    target = await session.door.store.read(find_folder, entered.mailbox_id, to_stored_name(name))
    if target is None:
        raise No("TRYCREATE", "there is no such folder")
    return target


def _write_uids(copied: Copied) -> str:
    if not copied.uids:
        return ""
    sources, targets = write_numbers(copied.uids), write_numbers(copied.target_uids)
    return f"[COPYUID {copied.uidvalidity} {sources} {targets}]"
