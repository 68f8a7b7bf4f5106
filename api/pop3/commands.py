"""A line of the client's as a command and its arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass

from api.pop3.replies import refuse

_VERB = re.compile(rb"[A-Za-z0-9]{3,8}")
_NUMBER = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Command:
    """A keyword in capitals, and what stands behind it, which is not shown: it may be a password."""

    verb: str
    argument: str

    def __repr__(self) -> str:
        return f"Command({self.verb!r})"

    @property
    def words(self) -> list[str]:
        """The arguments."""
        return self.argument.split()


def parse_command(line: bytes) -> Command:
    """A line without its end. Raises: Refusal."""
    verb, _, argument = line.partition(b" ")
    if _VERB.fullmatch(verb) is None or b"\0" in argument:
        raise refuse("that is no command")
    try:
        return Command(verb.upper().decode("ascii"), argument.decode("utf-8"))
    except UnicodeDecodeError:
        raise refuse("the arguments of a command are UTF-8") from None


def require_nothing(command: Command) -> None:
    """Pass a command without arguments. Raises: Refusal."""
    if command.words:
        raise refuse(f"{command.verb} takes no argument")


def parse_number(command: Command) -> int | None:
    """The message of a command that may name one. Raises: Refusal."""
    words = command.words
    if len(words) > 1 or (words and _NUMBER.fullmatch(words[0]) is None):
        raise refuse(f"write {command.verb} and the number of a message, or nothing")
    return int(words[0]) if words else None


def parse_message(command: Command) -> int:
    """The message of a command that needs one. Raises: Refusal."""
    number = parse_number(command)
    if number is None:
        raise refuse(f"write {command.verb} and the number of a message")
    return number


def parse_top(command: Command) -> tuple[int, int]:
    """The message of TOP, and how many lines of its body. Raises: Refusal."""
    words = command.words
    if len(words) != 2 or any(_NUMBER.fullmatch(word) is None for word in words):
        raise refuse("write TOP, the number of a message, and how many lines of its body")
    return int(words[0]), int(words[1])
