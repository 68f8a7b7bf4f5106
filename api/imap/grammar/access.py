"""Commands about the session itself: LOGIN, AUTHENTICATE, ID, ENABLE, COMPRESS, LANGUAGE of nobody."""

from __future__ import annotations

from dataclasses import dataclass

from api.imap.grammar.reader import BadCommand, Reader
from api.imap.limits import MAX_LISTED

_MAX_ID_FIELDS = 30  # RFC 2971 §3.3
_MAX_ID_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and its password, which is not shown."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.username!r})"


@dataclass(frozen=True, slots=True)
class Authenticate:
    """A SASL mechanism, and what the client said at once (RFC 4959); None when it waits to be asked."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Enable:
    """Extensions to switch on, in capitals (RFC 5161)."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identification:
    """What a client says it is (RFC 2971)."""

    fields: tuple[tuple[str, str], ...]


def read_nothing(reader: Reader) -> None:
    """A command without arguments."""


def read_login(reader: Reader) -> Login:
    """LOGIN user password."""
    reader.space()
    username = reader.astring()
    reader.space()
    return Login(to_text(username), to_text(reader.astring()))


def read_authenticate(reader: Reader) -> Authenticate:
    """AUTHENTICATE mechanism [initial response]."""
    reader.space()
    mechanism = reader.word()
    if reader.is_at_end:
        return Authenticate(mechanism, None)
    reader.space()
    initial = reader.text[reader.at :].strip()
    reader.at = len(reader.text)
    return Authenticate(mechanism, b"" if initial == b"=" else initial)


def read_enable(reader: Reader) -> Enable:
    """ENABLE name…"""
    names = []
    while not reader.is_at_end:
        reader.space()
        names.append(reader.word())
    if not names:
        reader.fail("the name of an extension")
    return Enable(tuple(names))


def read_identification(reader: Reader) -> Identification:
    """ID NIL, or ID (field value …)."""
    reader.space()
    if reader.takes(b"NIL"):
        return Identification(())
    reader.expect(b"(")
    fields: list[tuple[str, str]] = []
    while not reader.takes(b")"):
        if fields:
            reader.space()
        name = reader.string()
        reader.space()
        value = reader.nstring()
        fields.append((to_text(name)[:30], to_text(value or b"")[:_MAX_ID_BYTES]))
        if len(fields) > _MAX_ID_FIELDS:
            reader.fail(f"at most {_MAX_ID_FIELDS} fields")
    return Identification(tuple(fields))


def read_compress(reader: Reader) -> str:
    """COMPRESS mechanism."""
    reader.space()
    return reader.word()


def read_words(reader: Reader) -> tuple[str, ...]:
    """A list of words in parentheses, in capitals."""
    reader.expect(b"(")
    words: list[str] = []
    while not reader.takes(b")"):
        if words:
            reader.space()
        words.append(reader.word())
        if len(words) > MAX_LISTED:
            reader.fail("a shorter list")
    return tuple(words)


def to_text(value: bytes) -> str:
    """What a person wrote. Raises: BadCommand for what is not UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise BadCommand("expected UTF-8") from None
