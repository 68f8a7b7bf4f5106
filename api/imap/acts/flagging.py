r"""Flags as one session is told them: keywords by name, \Recent for whom it is, MODSEQ for who knows CONDSTORE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from api.imap.open_folders import Flagged
from api.imap.replies import untagged
from api.imap.session import Session
from api.imap.view import View
from api.imap.writing.words import write_flags
from hourpost.rules.mail_flags import FLAG_NAMES


class FlagWriter:
    """Writes flags for one session and folder; the same combination is put together once."""

    def __init__(self, session: Session, view: View) -> None:
        self._session = session
        self._view = view
        self._written: dict[tuple[int, tuple[int, ...], bool], bytes] = {}

    async def prepare(self, rows: Sequence[Flagged]) -> None:
        """Know the names of all keywords of these rows, and tell the client those it has not heard of."""
        await self._view.state.name(rows)
        self.announce(rows)

    def announce(self, rows: Sequence[Flagged]) -> None:
        """Tell the client of keywords that it has not heard of."""
        numbers = {number for row in rows if row.keywords for number in row.keywords}
        if numbers:
            names = self._view.state.names
            tell_keywords(self._session, self._view, [names[number] for number in sorted(numbers)])

    def write(self, row: Flagged) -> bytes:
        """What stands between the parentheses of FLAGS."""
        key = (row.flags, tuple(row.keywords or ()), row.uid >= self._view.recent_uid)
        written = self._written.get(key)
        if written is None:
            names = [self._view.state.names[number] for number in key[1]]
            written = self._written[key] = write_flags(key[0], names, is_recent=key[2])
        return written

    def write_answer(self, number: int, row: Flagged, *, with_uid: bool, with_flags: bool = True) -> bytes:
        """An untagged FETCH that tells flags; with their MODSEQ to a client that knows CONDSTORE."""
        words = [b"UID %d" % row.uid] if with_uid else []
        if with_flags:
            words.append(b"FLAGS (" + self.write(row) + b")")
        if is_condstore(self._session):
            words.append(b"MODSEQ (%d)" % row.modseq)
        return b"* %d FETCH (%b)\r\n" % (number, b" ".join(words))


def tell_keywords(session: Session, view: View, names: Iterable[str], *, always: bool = False) -> None:
    """FLAGS and PERMANENTFLAGS, when there is a keyword that the client has not been told of."""
    new = {name for name in names if name not in view.keywords}
    if not new and not always:
        return
    view.keywords |= new
    flags = " ".join([*FLAG_NAMES.values(), *sorted(view.keywords)])
    session.outlet.write(untagged(f"FLAGS ({flags})"))
    if view.is_readonly:
        session.outlet.write(untagged("OK [PERMANENTFLAGS ()] read only"))
    else:
        session.outlet.write(untagged(f"OK [PERMANENTFLAGS ({flags} \\*)] limited only by number"))


def is_condstore(session: Session) -> bool:
    """Whether the client has shown that it knows MODSEQ (RFC 7162 §3.1)."""
    return "CONDSTORE" in session.enabled


def use_condstore(session: Session) -> None:
    """The client has shown so; told of once, with the MODSEQ to begin with."""
    if is_condstore(session):
        return
    session.enabled |= {"CONDSTORE"}
    if session.view is not None:
        session.outlet.write(untagged(f"OK [HIGHESTMODSEQ {session.view.modseq}] from here on"))
