"""A command as a whole: its tag, its name, and what it says, by the reader of its family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from api.imap.grammar import access, fetching, folders, messages, searching
from api.imap.grammar.framing import CommandText
from api.imap.grammar.reader import BadCommand, Reader, is_tag
from api.imap.limits import MAX_DEPTH, MAX_DEPTH_BEFORE_LOGIN


class State(Enum):
    """When a command may be given (RFC 9051 §3)."""

    ANY = "any"
    BEFORE_LOGIN = "before log-in"
    AFTER_LOGIN = "after log-in"
    SELECTED = "with a folder selected"


@dataclass(frozen=True, slots=True)
class Command:
    """One command; ``argument`` is what its reader gives."""

    tag: bytes
    name: str
    argument: object
    is_uid: bool = False


class BadLine(Exception):
    """A command that cannot be read: its tag (``*`` without one), what it is answered, and what is wrong.

    With ``forgets`` what an earlier search has saved is gone.
    """

    def __init__(self, tag: bytes, reason: str, answer: str = "BAD", *, forgets: bool = False) -> None:
        super().__init__(reason)
        self.tag = tag
        self.reason = reason
        self.answer = answer
        self.forgets = forgets


_Read = Callable[[Reader], object]
_ANY, _BEFORE, _AFTER, _SELECTED = State.ANY, State.BEFORE_LOGIN, State.AFTER_LOGIN, State.SELECTED

_COMMANDS: dict[str, tuple[State, _Read]] = {
    "CAPABILITY": (_ANY, access.read_nothing),
    "NOOP": (_ANY, access.read_nothing),
    "LOGOUT": (_ANY, access.read_nothing),
    "ID": (_ANY, access.read_identification),
    "STARTTLS": (_BEFORE, access.read_nothing),
    "LOGIN": (_BEFORE, access.read_login),
    "AUTHENTICATE": (_BEFORE, access.read_authenticate),
    "ENABLE": (_AFTER, access.read_enable),
    "COMPRESS": (_AFTER, access.read_compress),
    "IDLE": (_AFTER, access.read_nothing),
    "NAMESPACE": (_AFTER, access.read_nothing),
    "SELECT": (_AFTER, folders.read_select),
    "EXAMINE": (_AFTER, folders.read_select),
    "CREATE": (_AFTER, folders.read_create),
    "DELETE": (_AFTER, folders.read_name),
    "RENAME": (_AFTER, folders.read_rename),
    "SUBSCRIBE": (_AFTER, folders.read_name),
    "UNSUBSCRIBE": (_AFTER, folders.read_name),
    "LIST": (_AFTER, folders.read_list),
    "LSUB": (_AFTER, folders.read_lsub),
    "STATUS": (_AFTER, folders.read_status),
    "APPEND": (_AFTER, messages.read_append),
    "GETQUOTA": (_AFTER, folders.read_root),
    "GETQUOTAROOT": (_AFTER, folders.read_name),
    "SETQUOTA": (_AFTER, folders.read_set_quota),
    "CHECK": (_SELECTED, access.read_nothing),
    "CLOSE": (_SELECTED, access.read_nothing),
    "UNSELECT": (_SELECTED, access.read_nothing),
    "EXPUNGE": (_SELECTED, messages.read_expunge),
    "FETCH": (_SELECTED, fetching.read_fetch),
    "STORE": (_SELECTED, messages.read_store),
    "COPY": (_SELECTED, messages.read_copy),
    "MOVE": (_SELECTED, messages.read_copy),
    "SEARCH": (_SELECTED, searching.read_search),
    "SORT": (_SELECTED, searching.read_sort),
    "THREAD": (_SELECTED, searching.read_thread),
}
_UID_COMMANDS: dict[str, _Read] = {
    "EXPUNGE": messages.read_uid_expunge,
    **{name: _COMMANDS[name][1] for name in ("FETCH", "STORE", "COPY", "MOVE", "SEARCH", "SORT", "THREAD")},
}


def read_command(
    frame: CommandText, *, is_logged_in: bool = True, is_utf8: bool = False, takes_charset: bool = True
) -> Command:
    """The command in a frame. Raises: BadLine."""
    if is_logged_in and not frame.literals:
        repeated = _find_repeated(frame.text, is_utf8=is_utf8)
        if repeated is not None:
            return repeated
    depth = MAX_DEPTH if is_logged_in else MAX_DEPTH_BEFORE_LOGIN
    reader = Reader(frame.text, frame.literals, is_utf8=is_utf8, takes_charset=takes_charset, max_depth=depth)
    tag = b"*"
    try:
        tag = reader.tag()
        reader.space()
        name, read, is_uid = _read_name(reader)
        argument = read(reader)
        reader.end()
    except BadCommand as bad:
        raise BadLine(tag, str(bad), bad.answer, forgets=bad.forgets) from None
    return Command(tag, name, argument, is_uid)


# What clients say again and again, in the same words; nothing in it is secret.
_REPEATED = frozenset((b"NOOP", b"IDLE", b"CHECK", b"STATUS", b"SELECT", b"EXAMINE", b"UNSELECT", b"CLOSE", b"LIST"))
_REPEATED_BYTES = 200


def _find_repeated(text: bytes, *, is_utf8: bool) -> Command | None:
    """A command whose words are remembered; None for others, and for one that cannot be read."""
    tag, _, said = text.partition(b" ")
    if said.partition(b" ")[0].upper() not in _REPEATED or len(said) > _REPEATED_BYTES or not is_tag(tag):
        return None
    try:
        name, argument = _read_repeated(said, is_utf8=is_utf8)
    except BadCommand:  # which is to say where in the whole line
        return None
    return Command(tag, name, argument)


@lru_cache(maxsize=512)
def _read_repeated(said: bytes, *, is_utf8: bool) -> tuple[str, object]:
    reader = Reader(said, is_utf8=is_utf8, max_depth=MAX_DEPTH)
    name, read, _ = _read_name(reader)
    argument = read(reader)
    reader.end()
    return name, argument


def _read_name(reader: Reader) -> tuple[str, _Read, bool]:
    name = reader.word()
    if name != "UID":
        found = _COMMANDS.get(name)
        if found is None:
            raise BadCommand("no such command")
        return name, found[1], False
    reader.space()
    name = reader.word()
    read = _UID_COMMANDS.get(name)
    if read is None:
        raise BadCommand("no such command by UID")
    return name, read, True


def read_arriving(text: bytes, literals: tuple[bytes, ...], *, is_utf8: bool) -> tuple[bytes, messages.Append]:
    """The tag of an APPEND, and as much of it as was said before a message. Raises: BadLine."""
    is_in_parentheses = text.rstrip(b" ").endswith(b"(")
    whole = text + b"{0}\r\n" + (b")" if is_in_parentheses else b"")
    command = read_command(CommandText(whole, (*literals, b"")), is_utf8=is_utf8)
    assert isinstance(command.argument, messages.Append)
    return command.tag, command.argument


def state_of(name: str) -> State:
    """When this command may be given."""
    return _COMMANDS[name][0]
