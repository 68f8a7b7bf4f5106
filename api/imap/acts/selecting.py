r"""SELECT and what ends it, what a session is told of its folder, and IDLE (RFC 9051 §6.3.2, RFC 7162, RFC 2177)."""

from __future__ import annotations

from contextlib import suppress

from api.imap import replies
from api.imap.acts.flagging import FlagWriter, tell_keywords, use_condstore
from api.imap.acts.listing import write_one
from api.imap.acts.naming import to_stored_name
from api.imap.acts.resyncing import resynchronise
from api.imap.acts.vanishing import write_gone
from api.imap.grammar.commands import Command
from api.imap.grammar.folders import Select
from api.imap.open_folders import FolderState
from api.imap.replies import Bad, untagged
from api.imap.session import Session
from api.imap.view import News, View
from hourpost.errors import ServiceUnavailable
from hourpost.mailboxes.folders import Folder, get_folder, select_folder
from hourpost.mailboxes.known_uids import count_uids_from, find_first_unseen_number

_UNSEEN_AMONG = 10_000  # messages; beyond them the first unseen one is not looked for, so that SELECT stays quick


async def select(session: Session, command: Command) -> str:
    """SELECT and EXAMINE. Whatever comes of it, the folder that was selected before is not any more."""
    request, entered = command.argument, session.entered
    assert isinstance(request, Select)
    assert entered is not None
    if request.resync is not None and "QRESYNC" not in session.enabled:
        raise Bad("say ENABLE QRESYNC first")
    _close(session)
    is_readonly = command.name == "EXAMINE"
    name = to_stored_name(request.folder)
    store, find = session.door.store, get_folder if is_readonly else select_folder
    folder = await store.read(find, entered.mailbox_id, name)
    view = await _open(session, folder, is_readonly=is_readonly)
    if request.is_condstore or request.resync is not None:
        use_condstore(session)
    session.view = view
    try:
        await _describe(session, view, folder)
        if request.resync is not None:
            await resynchronise(session, view, folder, request.resync)
    except BaseException:
        leave(session)
        raise
    return "OK [READ-ONLY] EXAMINE completed" if is_readonly else "OK [READ-WRITE] SELECT completed"


async def _open(session: Session, folder: Folder, *, is_readonly: bool) -> View:
    folders = session.door.folders
    state = folders.enter(folder)
    view = View(state, is_readonly=is_readonly, recent_uid=folder.recent_uid, hear=lambda: hear(session))
    state.listeners.add(view)
    try:
        if state.modseq < folder.highestmodseq:
            await state.catch_up()
    except BaseException:
        folders.leave(state, view)
        raise
    view.begin()
    return view


async def _describe(session: Session, view: View, folder: Folder) -> None:
    outlet, is_rev2 = session.outlet, "IMAP4REV2" in session.enabled
    state = view.state
    names = await session.door.store.keyword_names_of(state.mailbox_id, ())
    tell_keywords(session, view, names.values(), always=True)
    outlet.write(untagged(f"{view.count} EXISTS"))
    if not is_rev2:
        outlet.write(untagged(f"{await _count_recent(session, folder, state)} RECENT"))
        await _tell_unseen(session, folder)
    outlet.write(untagged(f"OK [UIDVALIDITY {folder.uidvalidity}] UIDs are valid"))
    outlet.write(untagged(f"OK [UIDNEXT {state.uidnext}] the next UID"))
    outlet.write(untagged(f"OK [HIGHESTMODSEQ {view.modseq}] the highest"))
    outlet.write(untagged(f"OK [MAILBOXID (F{folder.id.hex})] its id"))
    if is_rev2:
        await write_one(session, folder)


async def _count_recent(session: Session, folder: Folder, state: FolderState) -> int:
    if folder.recent_uid >= state.uidnext:
        return 0
    return await session.door.store.read(count_uids_from, folder.id, folder.recent_uid)


async def _tell_unseen(session: Session, folder: Folder) -> None:
    if folder.unseen == 0 or folder.messages > _UNSEEN_AMONG:
        return
    number = await session.door.store.read(find_first_unseen_number, folder.id)
    if number:
        session.outlet.write(untagged(f"OK [UNSEEN {number}] the first unseen message"))


# ending it


def leave(session: Session) -> None:
    """Let go of the selected folder."""
    view, session.view = session.view, None
    if view is not None:
        session.door.folders.leave(view.state, view)


def _close(session: Session) -> None:
    """Leave a folder unasked; who knows the word is told where its answers end (RFC 7162 §3.2.11)."""
    if session.view is not None and session.enabled & {"QRESYNC", "IMAP4REV2"}:
        session.outlet.write(untagged("OK [CLOSED] the folder is closed"))
    leave(session)


async def leave_deleted(session: Session) -> None:
    """Have no folder selected, where it was the selected one that this session has deleted."""
    if session.view is None:
        return
    with suppress(ServiceUnavailable):
        await session.view.state.catch_up()
    if session.view.state.is_gone:
        _close(session)


async def close(session: Session, command: Command) -> str:
    r"""CLOSE: \Deleted messages go without a word, unless the folder was opened by EXAMINE."""
    view = session.view
    assert view is not None
    modseq = 0
    if not view.is_readonly and not view.state.is_gone:
        modseq = (await session.door.store.expunge(view.state.mailbox_id, view.state.folder_id)).modseq
    leave(session)
    return (
        f"OK [HIGHESTMODSEQ {modseq}] CLOSE completed"
        if modseq and "QRESYNC" in session.enabled
        else "OK CLOSE completed"
    )


async def unselect(session: Session, command: Command) -> str:
    """UNSELECT (RFC 3691)."""
    leave(session)
    return "OK UNSELECT completed"


# being told


async def tell(session: Session, *, may_expunge: bool) -> None:
    """Compare with the folder's row, and tell what changed. While that cannot be read, what is known already."""
    view = session.view
    if view is not None:
        with suppress(ServiceUnavailable):  # what was done is done; the rest is told next time
            await view.state.catch_up()
            await view.state.claim_recent()
        tell_known(session, view, may_expunge=may_expunge)
        await session.outlet.drain()


def end_without_folder(session: Session) -> None:
    """End a session whose folder was deleted elsewhere: what it would go on to show is no more."""
    if session.view is not None and session.view.state.is_gone:
        session.outlet.write(replies.FOLDER_GONE)
        session.is_over = True


def tell_known(session: Session, view: View, *, may_expunge: bool) -> None:
    """Tell what the process knows already."""
    if view.is_behind:
        _write_news(session, view, view.take_news(may_expunge=may_expunge))


def _write_news(session: Session, view: View, news: News) -> None:
    outlet = session.outlet
    if news.vanished_uids and "QRESYNC" in session.enabled:
        write_gone(session, news.vanished_uids)
    else:
        for number in news.vanished_numbers:
            outlet.write(b"* %d EXPUNGE\r\n" % number)
    if news.count is not None:
        outlet.write(untagged(f"{news.count} EXISTS"))
        if "IMAP4REV2" not in session.enabled:
            outlet.write(untagged(f"{view.recent_count} RECENT"))
    if not news.changed:
        return
    writer = FlagWriter(session, view)
    writer.announce([row for _, row in news.changed])
    with_uid = bool(session.enabled & {"QRESYNC", "IMAP4REV2"})
    for number, row in news.changed:
        outlet.write(writer.write_answer(number, row, with_uid=with_uid))


# IDLE


async def idle(session: Session, command: Command) -> None:
    """IDLE: from now on what changes is told when it is heard of, until the client says DONE."""
    session.outlet.write(replies.IDLING)
    session.idle_tag = command.tag
    session.answers = lambda line: _done(session, line)
    await tell(session, may_expunge=True)
    end_without_folder(session)


async def _done(session: Session, line: bytes) -> None:
    tag, session.idle_tag = session.idle_tag, b""
    if line.strip().upper() != b"DONE":
        session.refuse(tag, "IDLE ends with DONE")
        return
    await tell(session, may_expunge=True)
    session.answer(tag, "OK IDLE completed")


def hear(session: Session) -> None:
    """The folder has changed: a session in IDLE is told now, others at their next command."""
    view = session.view
    if view is None or not session.is_idling or session.outlet.is_clogged or session.is_over:
        return
    end_without_folder(session)
    if not session.is_over:
        tell_known(session, view, may_expunge=True)
    session.wakes()
