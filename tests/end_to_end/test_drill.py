"""The drill in its short form: every part is killed under load, and all that was accepted arrives."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.drill import SHORT, run_drill
from bench.drill_faults import FAULTS
from bench.drill_judge import Judgement, judge_accepted, judge_copies

MESSAGE_ID = "<one@acme.test>"
CONTENT = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hourpost-drill-"))
    made.chmod(0o755)  # the servers work as other users
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.timeout(600)
def test_killing_every_part_in_turn_loses_nothing_and_doubles_only_what_was_in_data(folder: Path) -> None:
    judgement, drill = run_drill(SHORT, folder)
    assert judgement.is_clean, (judgement, drill.told)
    assert judgement.accepted == SHORT.emails
    assert judgement.came_in == int(SHORT.emails * 0.2)
    assert len(drill.told) >= len(FAULTS)


def row(state: str = "sent", was_unknown: bool = False, code: int | None = None) -> dict[str, Any]:
    known = {"message_id": MESSAGE_ID, "content_id": 1, "state": state, "was_unknown": was_unknown}
    return known | {"code": code}


def test_the_judge_misses_what_was_accepted_and_is_nowhere() -> None:
    judgement = Judgement()
    judge_accepted(judgement, [], Counter(), 7)
    judge_accepted(judgement, [row("sent")], Counter(), 8)
    assert judgement.lost == 2


@pytest.mark.parametrize(("state", "code"), [("failed", None), ("expired", 451), ("bounced", None), ("canceled", 550)])
def test_the_judge_blames_us_for_what_we_gave_up_without_a_word_of_the_relay(state: str, code: int | None) -> None:
    judgement = Judgement()
    judge_accepted(judgement, [row("bounced", code=550)], Counter(), 7)
    assert (judgement.refused, judgement.is_clean) == (1, True)
    judge_accepted(judgement, [row(state, code=code)], Counter(), 8)
    assert (judgement.given_up, judgement.is_clean) == (1, False)


def test_the_judge_forgives_a_second_copy_only_when_the_first_answer_was_lost() -> None:
    judgement = Judgement()
    copies = Counter({(MESSAGE_ID, "other"): 2})
    judge_copies(judgement, [row(was_unknown=True)], copies, {1: CONTENT})
    judge_copies(judgement, [row()], copies, {1: CONTENT})
    assert (judgement.twice_in_data, judgement.twice) == (1, 1)


def test_the_judge_sees_altered_bodies_and_mail_that_nobody_sent() -> None:
    judgement = Judgement()
    copies = Counter({(MESSAGE_ID, "another hash"): 1, ("<stranger@x.test>", "hash"): 1})
    judge_copies(judgement, [row()], copies, {1: CONTENT})
    assert (judgement.altered, judgement.ghosts) == (1, 1)
