"""Conversations with relays of every kind: texts in ``tests/dialogs/relays`` that end in what must come of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import pytest

from hourpost.gateways.relays import Outcome, Timeouts
from hourpost.rules.report_wishes import NO_WISHES, ReportWishes, read_wishes
from tests.fakes.scripted_relay import ScriptedRelay
from tests.gateways.relay_partners import CONTENT, PATIENT, envelope, impatient, outcomes_of, plain, pool_of

DIALOGS = sorted((Path(__file__).parent.parent / "dialogs" / "relays").glob("*.txt"))


@dataclass
class Dialog:
    """A parsed dialog: what is sent, what is said, what comes of it."""

    lines: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    messages: int = 1
    recipients: tuple[str, ...] = ("someone@example.net",)
    known_as: UUID | None = None
    wishes: ReportWishes = NO_WISHES
    hook_waits: bool = False
    is_repeated: bool = False
    timeouts: Timeouts = PATIENT


def read_dialog(path: Path) -> Dialog:
    dialog = Dialog()
    for line in path.read_text().partition("\n\n")[2].splitlines():
        word, _, rest = line.partition(": ")
        if word in ("S", "C"):
            dialog.lines.append(line)
        elif word == "outcome":
            dialog.expected.append(rest)
        elif word in _OPTIONS:
            _OPTIONS[word](dialog, rest)
    return dialog


_OPTIONS: dict[str, Callable[[Dialog, str], None]] = {
    "messages": lambda dialog, rest: setattr(dialog, "messages", int(rest)),
    "recipients": lambda dialog, rest: setattr(dialog, "recipients", tuple(rest.split())),
    "wishes": lambda dialog, rest: setattr(dialog, "wishes", read_wishes(rest)),
    "known_as": lambda dialog, rest: setattr(dialog, "known_as", UUID(rest)),
    "before_dot": lambda dialog, _: setattr(dialog, "hook_waits", True),
    "impatient": lambda dialog, rest: setattr(dialog, "timeouts", impatient(rest)),
    "connections": lambda dialog, _: setattr(dialog, "is_repeated", True),
}


def described(outcome: Outcome) -> str:
    text = "lost" if outcome.answer_lost else outcome.text
    return f"{outcome.stage} {outcome.code or '-'} {outcome.enhanced or '-'} {text}"


def matches(got: str, expected: str) -> bool:
    return got.startswith(expected[:-1]) if expected.endswith("*") else got == expected


@pytest.mark.parametrize("path", DIALOGS, ids=lambda path: path.stem)
async def test_a_dialog_comes_to_its_end(path: Path) -> None:
    dialog = read_dialog(path)
    relay = ScriptedRelay(dialog.lines)

    async def before_dot() -> bool:
        await asyncio.sleep(0.2 if dialog.hook_waits else 0)
        return True

    got = []
    async with pool_of(plain(await relay.start()), timeouts=dialog.timeouts) as pool:
        for _ in range(dialog.messages):
            sent = replace(envelope(*dialog.recipients), id=dialog.known_as, wishes=dialog.wishes)
            got += outcomes_of(await pool.send(sent, CONTENT, before_dot))
    await relay.finished()
    await relay.stop()
    words = [described(outcome) for outcome in got]
    assert len(words) == len(dialog.expected), words
    assert all(map(matches, words, dialog.expected)), words
    assert relay.faults == [] or dialog.is_repeated
