"""SEARCH, SORT and THREAD: the store finds, here it is told (RFC 9051 §6.4.4, RFC 4731, 5182, 5256, 5267)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.imap.acts.choosing import find_ranges, ranges_of
from api.imap.acts.finding import Answer, write_answer
from api.imap.acts.flagging import use_condstore
from api.imap.grammar.commands import Command
from api.imap.grammar.searching import Search, Sort, Thread
from api.imap.session import Session
from api.imap.view import View
from hourpost.mailboxes.messages import list_rows
from hourpost.mailboxes.search import Found, list_sort_rows, list_thread_rows
from hourpost.mailboxes.search_conditions import SearchScope
from hourpost.mailboxes.uid_ranges import LAST_UID
from hourpost.rules.mail.search_keys import ChangedSince, Key, list_leaves
from hourpost.rules.mail.sorting import sort_messages
from hourpost.rules.mail.threads import thread_by_references, thread_by_subject, write_threads


async def search(session: Session, command: Command) -> str:
    """SEARCH and UID SEARCH."""
    request, view = command.argument, session.view
    assert isinstance(request, Search)
    assert view is not None
    returned = request.returned
    if returned is None and "IMAP4REV2" in session.enabled:
        returned = frozenset(("ALL",))
    found = await _find(session, view, request.key, _saves(returned))
    uids = view.known(found.uids)
    modseq = await _modseq(session, view, request.key, returned, found, uids)
    _answer(session, view, command, Answer("SEARCH", returned, uids, modseq))
    return "OK SEARCH completed"


async def sort(session: Session, command: Command) -> str:
    """SORT and UID SORT."""
    request, view = command.argument, session.view
    assert isinstance(request, Sort)
    assert view is not None
    found = await _find(session, view, request.key, _saves(request.returned))
    rows = await session.door.store.read(list_sort_rows, view.state.folder_id, view.known(found.uids))
    uids = [row.uid for row in sort_messages(rows, request.order)]
    modseq = await _modseq(session, view, request.key, request.returned, found, uids)
    _answer(session, view, command, Answer("SORT", request.returned, uids, modseq))
    return "OK SORT completed"


async def thread(session: Session, command: Command) -> str:
    """THREAD and UID THREAD."""
    request, view = command.argument, session.view
    assert isinstance(request, Thread)
    assert view is not None
    found = await _find(session, view, request.key)
    rows = await session.door.store.read(list_thread_rows, view.state.folder_id, view.known(found.uids))
    gather = thread_by_references if request.algorithm == "REFERENCES" else thread_by_subject
    written = write_threads(gather(rows), _number_of(view, command))
    session.outlet.write(b"* THREAD %b\r\n" % written if written else b"* THREAD\r\n")
    return "OK THREAD completed"


def _saves(returned: frozenset[str] | None) -> bool:
    return returned is not None and "SAVE" in returned


async def _find(session: Session, view: View, key: Key, saves: bool = False) -> Found:
    """What the key means. Whatever goes wrong, what was saved before is gone (RFC 5182 §2.1)."""
    if _asks_modseq(key):
        use_condstore(session)
    await view.load()
    scope = SearchScope(
        now=session.door.clock.now(),
        last_uid=view.last_uid,
        ranges_of=lambda numbers: find_ranges(view, numbers),
        recent_uids=((view.recent_uid, LAST_UID),),
        saved_uids=ranges_of(view, [uid for uid in view.saved if view.number_of(uid)]),
    )
    if saves:
        view.saved = ()
    return await session.door.store.search(view.state.mailbox_id, view.state.folder_id, key, scope)


def _asks_modseq(key: Key) -> bool:
    return any(isinstance(leaf, ChangedSince) for leaf in list_leaves(key))


async def _modseq(
    session: Session, view: View, key: Key, returned: frozenset[str] | None, found: Found, uids: Sequence[int]
) -> int:
    """The highest MODSEQ of what is told, for who asked about MODSEQs; 0 for others (RFC 7162 §3.1.5)."""
    if not uids or not _asks_modseq(key):
        return 0
    if returned is None or returned & {"ALL", "COUNT"}:
        return found.modseq
    ends = [uid for name, uid in (("MIN", uids[0]), ("MAX", uids[-1])) if name in returned]
    rows = await session.door.store.read(list_rows, view.state.folder_id, [(uid, uid) for uid in ends])
    return max((row.modseq for row in rows), default=0)


def _answer(session: Session, view: View, command: Command, answer: Answer) -> None:
    if _saves(answer.returned):
        view.saved = answer.saved
    number_of = _number_of(view, command)
    session.outlet.write(write_answer(answer, [number_of(uid) for uid in answer.uids], command))


def _number_of(view: View, command: Command) -> Callable[[int], int]:
    return (lambda uid: uid) if command.is_uid else view.number_of
