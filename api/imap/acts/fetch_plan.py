"""What a FETCH needs of the store, and how each message's answer is put together; made once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from api.imap.acts.flagging import FlagWriter
from api.imap.grammar.fetching import Binary, Fetch, Section
from api.imap.writing.fetched import ATTRIBUTES, Attribute, preview
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

    @property
    def needs_flags(self) -> bool:
        """Whether flags may be told."""
        return "FLAGS" in self.names or self.marks_seen

    @property
    def needs_content(self) -> bool:
        """Whether rows are not enough."""
        return bool(self.sections or self.binaries)

    @property
    def is_of_whole(self) -> bool:
        """Whether of content nothing but whole messages is asked for."""
        return not self.binaries and not any(one.part or one.kind or one.partial for one in self.sections)

    @property
    def marks_seen(self) -> bool:
        r"""Whether it sets \Seen."""
        return any(not one.is_peek for one in self.sections) or any(
            not (one.is_peek or one.is_size) for one in self.binaries
        )

    def attributes(self, flags: FlagWriter) -> list[Attribute]:
        """What is read off a row, in its order."""
        others = {"FLAGS": Attribute(b"FLAGS (%b)", flags.write), "PREVIEW": preview(is_utf8=self.is_utf8)}
        return [others.get(name) or ATTRIBUTES[name] for name in self.names]

    def writer(self, flags: FlagWriter) -> Callable[[MessageRow], bytes]:
        """Writes what is read off a row, with the flags that were set for it."""
        attributes, seen = self.attributes(flags), self.seen if "FLAGS" not in self.names else frozenset()
        tells_modseq = self.tells_modseq and "MODSEQ" not in self.names

        def write(row: MessageRow) -> bytes:
            written = [one.template % one.value(row) for one in attributes]
            if seen and row.uid in seen:
                written.append(b"FLAGS (" + flags.write(row) + b")")
                if tells_modseq:
                    written.append(b"MODSEQ (%d)" % row.modseq)
            return b" ".join(written)

        return write


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
        want |= Want.SIZE | Want.IDS
    if binaries or any(one.part or one.kind for one in sections):
        want |= Want.PARTS
    return Plan(tuple(names), sections, binaries, want, request.changed_since, is_utf8)


def _to_want(names: list[str]) -> Want:
    want = Want.FLAGS
    for name in names:
        want |= _WANTS.get(name, Want.FLAGS)
    return want
