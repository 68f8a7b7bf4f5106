"""Commands about folders: SELECT, CREATE, RENAME, LIST, STATUS, SUBSCRIBE and quotas."""

from __future__ import annotations

from dataclasses import dataclass

from api.imap.grammar.access import read_words, to_text
from api.imap.grammar.reader import BadCommand, Reader
from api.imap.grammar.sets import read_set
from api.imap.limits import MAX_LISTED
from hourpost.rules.mail.folder_names import FolderNameError, decode_folder_name
from hourpost.rules.mail.sets import SequenceSet

STATUS_ITEMS = frozenset(
    {
        *("MESSAGES", "RECENT", "UNSEEN", "DELETED", "SIZE", "DELETED-STORAGE"),
        *("UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ", "APPENDLIMIT", "MAILBOXID"),
    }
)
_SELECTION = frozenset(("SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"))
_RETURNED = frozenset(("SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS"))


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client knows of a folder from last time (RFC 7162 §3.2.5)."""

    uidvalidity: int
    modseq: int
    known_uids: SequenceSet | None = None
    matched: tuple[SequenceSet, SequenceSet] | None = None  # sequence numbers and their UIDs


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT or EXAMINE."""

    folder: str
    is_condstore: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """CREATE, with special uses (RFC 6154 §5.2)."""

    folder: str
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rename:
    """RENAME."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS of one folder."""

    folder: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """LIST or LSUB; ``is_extended`` when it has anything that RFC 5258 brought."""

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[str] = frozenset()
    returned: frozenset[str] = frozenset()
    status_items: tuple[str, ...] = ()
    is_extended: bool = False


@dataclass(frozen=True, slots=True)
class SetQuota:
    """SETQUOTA, which nobody may."""

    root: str


def read_folder(reader: Reader) -> str:
    """The name of a folder, as people read it."""
    return to_name(reader, reader.astring())


def to_name(reader: Reader, name: bytes) -> str:
    """Modified UTF-7, or UTF-8 where that was agreed on (RFC 6855 §3)."""
    if reader.is_utf8:
        return to_text(name)
    try:
        return decode_folder_name(name)
    except FolderNameError as error:
        raise BadCommand(str(error)) from None


def read_name(reader: Reader) -> str:
    """A command with the name of a folder."""
    reader.space()
    return read_folder(reader)


def read_select(reader: Reader) -> Select:
    """SELECT name [(CONDSTORE) or (QRESYNC (…))]."""
    folder = read_name(reader)
    is_condstore, resync = False, None
    if reader.takes(b" ("):
        while not reader.takes(b")"):
            reader.takes(b" ")
            name = reader.word()
            if name == "CONDSTORE":
                is_condstore = True
            elif name == "QRESYNC":
                resync = _read_resync(reader)
            else:
                reader.fail("CONDSTORE or QRESYNC")
    return Select(folder, is_condstore, resync)


def _read_resync(reader: Reader) -> Resync:
    reader.space()
    reader.expect(b"(")
    uidvalidity = reader.number(least=1)
    reader.space()
    modseq = reader.modseq(least=1)
    known_uids, matched = None, None
    if reader.sees(b" ") and not reader.sees(b" ("):
        reader.space()
        known_uids = read_set(reader)
    if reader.takes(b" ("):
        numbers = read_set(reader)
        reader.space()
        matched = (numbers, read_set(reader))
        reader.expect(b")")
    reader.expect(b")")
    return Resync(uidvalidity, modseq, known_uids, matched)


def read_create(reader: Reader) -> Create:
    """CREATE name [(USE (\\Sent …))]."""
    folder = read_name(reader)
    if not reader.takes(b" ("):
        return Create(folder)
    reader.expect(b"USE (")
    uses = []
    while not reader.takes(b")"):
        reader.takes(b" ")
        uses.append(reader.flag())
        if len(uses) > MAX_LISTED:
            reader.fail("a shorter list")
    reader.expect(b")")
    return Create(folder, tuple(uses))


def read_rename(reader: Reader) -> Rename:
    """RENAME old new."""
    old = read_name(reader)
    return Rename(old, read_name(reader))


def read_status(reader: Reader) -> Status:
    """STATUS name (item …)."""
    folder = read_name(reader)
    reader.space()
    return Status(folder, _read_status_items(reader))


def _read_status_items(reader: Reader) -> tuple[str, ...]:
    items = tuple(dict.fromkeys(read_words(reader)))
    unknown = [item for item in items if item not in STATUS_ITEMS]
    if unknown or not items:
        raise BadCommand(f"no such status item: {', '.join(unknown) or '()'}")
    return items


def read_list(reader: Reader) -> Listing:
    """LIST [(selection)] reference pattern(s) [RETURN (options)]."""
    reader.space()
    is_extended = reader.sees(b"(")
    selection = frozenset(read_words(reader)) if is_extended else frozenset()
    if is_extended:
        reader.space()
    reference = read_folder(reader)
    reader.space()
    patterns = _read_patterns(reader)
    returned, status_items = _read_returned(reader)
    is_extended = is_extended or len(patterns) != 1 or returned is not None
    _check_selection(selection)
    return Listing(reference, patterns, selection, returned or frozenset(), status_items, is_extended)


def _check_selection(selection: frozenset[str]) -> None:
    unknown = selection - _SELECTION
    if unknown:
        raise BadCommand(f"no such selection option: {', '.join(sorted(unknown))}")
    if "RECURSIVEMATCH" in selection and not selection & {"SUBSCRIBED", "SPECIAL-USE"}:
        raise BadCommand("RECURSIVEMATCH needs another selection option")


def _read_patterns(reader: Reader) -> tuple[str, ...]:
    if not reader.takes(b"("):
        return (to_name(reader, reader.pattern()),)
    patterns = [to_name(reader, reader.pattern())]
    while reader.takes(b" "):
        patterns.append(to_name(reader, reader.pattern()))
        if len(patterns) > MAX_LISTED:
            reader.fail("a shorter list")
    reader.expect(b")")
    return tuple(patterns)


def _read_returned(reader: Reader) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    if not reader.takes(b" RETURN ("):
        return None, ()
    names: set[str] = set()
    status_items: tuple[str, ...] = ()
    while not reader.takes(b")"):
        if names:
            reader.space()
        name = reader.word()
        if name not in _RETURNED:
            reader.fail("a return option")
        names.add(name)
        if name == "STATUS":
            reader.space()
            status_items = _read_status_items(reader)
    return frozenset(names), status_items


def read_lsub(reader: Reader) -> Listing:
    """LSUB reference pattern."""
    reader.space()
    reference = read_folder(reader)
    reader.space()
    return Listing(reference, (to_name(reader, reader.pattern()),))


def read_root(reader: Reader) -> str:
    """A quota root."""
    reader.space()
    return to_text(reader.astring())


def read_set_quota(reader: Reader) -> SetQuota:
    """SETQUOTA root (resource limit …)."""
    root = read_root(reader)
    reader.space()
    reader.expect(b"(")
    while not reader.takes(b")"):
        reader.takes(b" ")
        reader.atom()
        reader.space()
        reader.modseq()
    return SetQuota(root)
