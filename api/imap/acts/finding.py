"""How what was found is told: the old list, or ESEARCH with what was asked for (RFC 4731, RFC 5267)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.imap.grammar.commands import Command
from api.imap.writing.words import write_numbers


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, in its order. ``modseq`` is 0 where it is not to be told."""

    name: str  # SEARCH or SORT
    returned: frozenset[str] | None
    uids: Sequence[int]
    modseq: int

    @property
    def saved(self) -> tuple[int, ...]:
        """What ``$`` will hold: everything, or only the ends where nothing else was asked for (RFC 5182 §2.4)."""
        returned = self.returned or frozenset()
        if not self.uids or returned & {"ALL", "COUNT"} or not returned & {"MIN", "MAX"}:
            return tuple(sorted(self.uids))
        ends = {uid for name, uid in (("MIN", self.uids[0]), ("MAX", self.uids[-1])) if name in returned}
        return tuple(sorted(ends))


def write_answer(answer: Answer, numbers: Sequence[int], command: Command) -> bytes:
    """The untagged answer; none where the result was only to be saved."""
    if answer.returned is None:
        words = [answer.name, *map(str, numbers)]
        if answer.modseq:
            words.append(f"(MODSEQ {answer.modseq})")
        return f"* {' '.join(words)}\r\n".encode("ascii")
    if answer.returned == {"SAVE"}:
        return b""
    return _write_extended(answer, answer.returned, numbers, command)


def _write_extended(answer: Answer, returned: frozenset[str], numbers: Sequence[int], command: Command) -> bytes:
    words = [b'* ESEARCH (TAG "%b")' % command.tag]
    if command.is_uid:
        words.append(b"UID")
    if numbers and "MIN" in returned:
        words.append(b"MIN %d" % numbers[0])
    if numbers and "MAX" in returned:
        words.append(b"MAX %d" % numbers[-1])
    if "COUNT" in returned:
        words.append(b"COUNT %d" % len(numbers))
    if numbers and "ALL" in returned:
        words.append(b"ALL " + write_numbers(numbers).encode("ascii"))
    if answer.modseq:
        words.append(b"MODSEQ %d" % answer.modseq)
    return b" ".join(words) + b"\r\n"
