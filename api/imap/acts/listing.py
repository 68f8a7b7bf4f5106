r"""LIST in all its forms, LSUB, STATUS, NAMESPACE (RFC 9051 §6.3.9, RFC 5258, 5819, 6154)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

from api.imap.acts.flagging import use_condstore
from api.imap.acts.list_rows import ListRow, list_names
from api.imap.acts.naming import to_stored_name
from api.imap.grammar.commands import Command
from api.imap.grammar.folders import Listing, Status
from api.imap.session import Session
from api.imap.writing.words import write_folder
from hourpost.mailboxes.folders import Folder, get_folder, list_folders, list_subscriptions
from hourpost.mailboxes.known_uids import count_uids_from
from hourpost.mailboxes.quota import sum_deleted_bytes


async def namespace(session: Session, command: Command) -> str:
    """NAMESPACE: one, and it is the user's own."""
    session.outlet.write(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
    return "OK NAMESPACE completed"


async def list_all(session: Session, command: Command) -> str:
    """LIST."""
    request, entered = command.argument, session.entered
    assert isinstance(request, Listing)
    assert entered is not None
    if request.patterns == ("",) and not request.is_extended:
        session.outlet.write(b'* LIST (\\Noselect) "/" ""\r\n')
        return "OK LIST completed"
    store = session.door.store
    folders = await store.read(list_folders, entered.mailbox_id)
    subscribed = frozenset(await store.read(list_subscriptions, entered.mailbox_id))
    by_name = {folder.name: folder for folder in folders}
    if request.status_items and "HIGHESTMODSEQ" in request.status_items:
        use_condstore(session)
    for row in list_names(request, folders, subscribed):
        _write_row(session, b"LIST", row)
        if request.status_items and row.name in by_name:
            await _write_status(session, by_name[row.name], request.status_items)
        await session.outlet.drain()
    return "OK LIST completed"


async def lsub(session: Session, command: Command) -> str:
    """LSUB: subscribed names, also of folders that are gone."""
    request, entered = command.argument, session.entered
    assert isinstance(request, Listing)
    assert entered is not None
    store = session.door.store
    subscribed = frozenset(await store.read(list_subscriptions, entered.mailbox_id))
    folders = await store.read(list_folders, entered.mailbox_id)
    for row in list_names(_as_selection(request), folders, subscribed):
        attributes = tuple(one for one in row.attributes if one == "\\Noselect")
        if row.child_info and "\\Subscribed" not in row.attributes:
            attributes = ("\\Noselect",)
        _write_row(session, b"LSUB", ListRow(row.name, attributes))
    return "OK LSUB completed"


def _as_selection(request: Listing) -> Listing:
    names = frozenset(("SUBSCRIBED", "RECURSIVEMATCH"))
    return Listing(request.reference, request.patterns, names, frozenset(), (), is_extended=True)


def _write_row(session: Session, kind: bytes, row: ListRow) -> None:
    name = write_folder(row.name, is_utf8=session.is_utf8)
    attributes = " ".join(row.attributes).encode("ascii")
    by = " ".join(f'"{one}"' for one in row.child_info)
    extra = f' ("CHILDINFO" ({by}))'.encode("ascii") if by else b""
    session.outlet.write(b'* %b (%b) "/" %b%b\r\n' % (kind, attributes, name, extra))


async def write_one(session: Session, folder: Folder) -> None:
    """LIST of a folder that is being selected (RFC 9051 §6.3.2)."""
    name = write_folder(folder.name, is_utf8=session.is_utf8)
    session.outlet.write(b'* LIST () "/" %b\r\n' % name)


async def status(session: Session, command: Command) -> str:
    """STATUS of a folder: one row tells nearly all of it."""
    request, entered = command.argument, session.entered
    assert isinstance(request, Status)
    assert entered is not None
    folder = await session.door.store.read(get_folder, entered.mailbox_id, to_stored_name(request.folder))
    if "HIGHESTMODSEQ" in request.items:
        use_condstore(session)
    await _write_status(session, folder, request.items)
    return "OK STATUS completed"


async def _write_status(session: Session, folder: Folder, items: Sequence[str]) -> None:
    values: list[str] = []
    for item in items:
        if item == "RECENT":
            value: object = await _count_recent(session, folder)
        elif item == "DELETED-STORAGE":
            value = await _sum_deleted(session, folder)
        elif item == "APPENDLIMIT":
            value = session.door.limits.message_bytes
        else:
            value = _OF_ROW[item](folder)
        values.append(f"{item} {value}")
    name = write_folder(folder.name, is_utf8=session.is_utf8)
    session.outlet.write(b"* STATUS %b (%b)\r\n" % (name, " ".join(values).encode("ascii")))


_OF_ROW: Mapping[str, Callable[[Folder], object]] = {
    "MESSAGES": attrgetter("messages"),
    "UIDNEXT": attrgetter("uidnext"),
    "UIDVALIDITY": attrgetter("uidvalidity"),
    "UNSEEN": attrgetter("unseen"),
    "DELETED": attrgetter("deleted"),
    "SIZE": attrgetter("size_bytes"),
    "HIGHESTMODSEQ": attrgetter("highestmodseq"),
    "MAILBOXID": lambda folder: f"(F{folder.id.hex})",
}


async def _count_recent(session: Session, folder: Folder) -> int:
    if folder.recent_uid >= folder.uidnext:
        return 0
    return await session.door.store.read(count_uids_from, folder.id, folder.recent_uid)


async def _sum_deleted(session: Session, folder: Folder) -> int:
    return await session.door.store.read(sum_deleted_bytes, folder.id) if folder.deleted else 0
