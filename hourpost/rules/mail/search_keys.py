"""What SEARCH looks for (RFC 9051 §6.4.4, RFC 5032, 7162, 8474, 8514) as values, and what of a message that needs.

``mailboxes.search_conditions`` writes them as SQL. Whoever reads them from a client bounds how deep they nest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum, Flag, auto

from hourpost.rules.mail.sets import SequenceSet


class Moment(Enum):
    """Which of a message's days is compared."""

    RECEIVED = "received"  # INTERNALDATE: BEFORE, ON, SINCE
    SENT = "sent"  # the Date header, as its writer wrote it: SENTBEFORE, SENTON, SENTSINCE
    SAVED = "saved"  # SAVEDBEFORE, SAVEDON, SAVEDSINCE


class Relation(Enum):
    """How a message's day stands to the one asked for; SINCE is that day too."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class All:
    """Every message."""


@dataclass(frozen=True, slots=True)
class InNumbers:
    """A set of message numbers."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True)
class InUids:
    """UID and a set."""

    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class InSaved:
    """``$``: what the last SEARCH saved (RFC 5182)."""


@dataclass(frozen=True, slots=True)
class HasFlag:
    r"""A system flag or keyword by its name, in any case: SEEN is ``\Seen``, KEYWORD ``$Junk`` is ``$Junk``."""

    name: str


@dataclass(frozen=True, slots=True)
class IsRecent:
    r"""RECENT: the message is \Recent in this session."""


@dataclass(frozen=True, slots=True)
class OnDay:
    """BEFORE, ON, SINCE and their like for the other days; a message without that day is on none."""

    moment: Moment
    relation: Relation
    day: date


@dataclass(frozen=True, slots=True)
class Within:
    """YOUNGER (received less than so many seconds ago, or so many exactly), OLDER when not."""

    seconds: int
    is_younger: bool


@dataclass(frozen=True, slots=True)
class LargerThan:
    """LARGER: more octets than these."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class SmallerThan:
    """SMALLER: fewer octets than these."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class InHeader:
    """SUBJECT, FROM, TO, CC, BCC and HEADER: a field that holds the text; any field of this name when it is empty."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class InBody:
    """BODY: text in the parts that are text."""

    text: str


@dataclass(frozen=True, slots=True)
class InText:
    """TEXT: text in the header or the body."""

    text: str


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """MODSEQ: this one or a later one."""

    modseq: int


@dataclass(frozen=True, slots=True)
class HasEmailId:
    """EMAILID, as FETCH gives it."""

    email_id: str


@dataclass(frozen=True, slots=True)
class HasThreadId:
    """THREADID, as FETCH gives it."""

    thread_id: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of these; all messages when there are none."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """None that matches this."""

    key: Key


Leaf = (
    All | InNumbers | InUids | InSaved | HasFlag | IsRecent | OnDay | Within | LargerThan | SmallerThan
    | InHeader | InBody | InText | ChangedSince | HasEmailId | HasThreadId
)  # fmt: skip
Key = Leaf | AllOf | AnyOf | Not


class Need(Flag):
    """What of a message a search has to see besides its row."""

    NOTHING = 0
    HEADER = auto()
    TEXT = auto()
    SENT = auto()


def both(keys: Iterable[Key]) -> Key:
    """All of these, with those that are lists of keys taken apart."""
    flat: list[Key] = []
    for key in keys:
        flat += key.keys if isinstance(key, AllOf) else (key,)
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def either(left: Key, right: Key) -> Key:
    """OR; a chain of them, as clients write it, is one flat list."""
    flat: list[Key] = []
    for key in (left, right):
        flat += key.keys if isinstance(key, AnyOf) else (key,)
    return AnyOf(tuple(flat))


def negate(key: Key) -> Key:
    """NOT; twice is nothing."""
    return key.key if isinstance(key, Not) else Not(key)


def list_leaves(key: Key) -> Iterator[Leaf]:
    """Every key that asks for something, wherever it stands."""
    keys: list[Key] = [key]
    while keys:
        here = keys.pop()
        if isinstance(here, AllOf | AnyOf):
            keys += here.keys
        elif isinstance(here, Not):
            keys.append(here.key)
        else:
            yield here


def find_needs(key: Key) -> Need:
    """What has to be read of each message to answer the search."""
    needs = Need.NOTHING
    for leaf in list_leaves(key):
        if isinstance(leaf, InHeader):
            needs |= Need.HEADER
        elif isinstance(leaf, InBody):
            needs |= Need.TEXT
        elif isinstance(leaf, InText):
            needs |= Need.HEADER | Need.TEXT
        elif isinstance(leaf, OnDay) and leaf.moment is Moment.SENT:
            needs |= Need.SENT
    return needs
