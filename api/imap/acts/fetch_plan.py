"""What a FETCH needs of the store, and how each message's answer is put together; made once for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from api.imap.acts.flagging import FlagWriter
from api.imap.grammar.fetching import Binary, Fetch, Section
from api.imap.writing.fetched import WRITERS, Write, write_preview
from hourpost.mailboxes.messages import MessageRow, Want

_WANTS = {
    "RFC822.SIZE": Want.SIZE,
    "INTERNALDATE": Want.DATES,
    "SAVEDATE": Want.DATES,
    "EMAILID": Want.IDS,
    "THREADID": Want.IDS,
    "ENVELOPE": Want.ENVELOPE,
    "BODY": Want.BODY,
    "BODYSTRUCTURE": Want.BODYSTRUCTURE,
    "PREVIEW": Want.PREVIEW,
}


@dataclass(slots=True)
class Plan:
    """``seen``: messages that this FETCH has marked, whose flags are told even if nobody asked."""

    names: tuple[str, ...]
    sections: tuple[Section, ...]
    binaries: tuple[Binary, ...]
    want: Want
    changed_since: int | None
    is_utf8: bool
    seen: set[int] = field(default_factory=set)
    tells_modseq: bool = False
    _plain: list[Write] | None = None  # where every attribute is read off the row alone

    def __post_init__(self) -> None:
        if all(name in WRITERS for name in self.names):
            self._plain = [WRITERS[name] for name in self.names]

    @property
    def needs_flags(self) -> bool:
        """Whether flags may be told."""
        return "FLAGS" in self.names or self.marks_seen

    @property
    def needs_content(self) -> bool:
        """Whether rows are not enough."""
        return bool(self.sections or self.binaries)

    @property
    def marks_seen(self) -> bool:
        r"""Whether it sets \Seen."""
        return any(not one.is_peek for one in self.sections) or any(
            not (one.is_peek or one.is_size) for one in self.binaries
        )

    def write(self, row: MessageRow, flags: FlagWriter) -> bytes:
        """The attributes that are read off the row."""
        if self._plain is not None and not self.seen:
            return b" ".join([write(row) for write in self._plain])
        written = [self._write(name, row, flags) for name in self.names]
        if row.uid in self.seen and "FLAGS" not in self.names:
            written.append(b"FLAGS (" + flags.write(row) + b")")
            if self.tells_modseq and "MODSEQ" not in self.names:
                written.append(WRITERS["MODSEQ"](row))
        return b" ".join(written)

    def _write(self, name: str, row: MessageRow, flags: FlagWriter) -> bytes:
        if name == "FLAGS":
            return b"FLAGS (" + flags.write(row) + b")"
        if name == "PREVIEW":
            return write_preview(row.preview, is_utf8=self.is_utf8)
        return WRITERS[name](row)


def make_plan(request: Fetch, *, is_uid: bool, is_utf8: bool) -> Plan:
    """The plan of one FETCH."""
    names = [item for item in request.items if isinstance(item, str)]
    if is_uid and "UID" not in names:
        names.insert(0, "UID")
    if request.changed_since is not None and "MODSEQ" not in names:
        names.append("MODSEQ")
    sections = tuple(item for item in request.items if isinstance(item, Section))
    binaries = tuple(item for item in request.items if isinstance(item, Binary))
    want = _to_want(names)
    if sections or binaries:
        want |= Want.SIZE | Want.IDS | Want.PARTS
    return Plan(tuple(names), sections, binaries, want, request.changed_since, is_utf8)


def _to_want(names: list[str]) -> Want:
    want = Want.FLAGS
    for name in names:
        want |= _WANTS.get(name, Want.FLAGS)
    return want
