"""Messages that were made to break a reader, as the browser and an answer have them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from hourpost.mailboxes.answering import answer_defaults
from hourpost.mailboxes.queries import Mailbox
from hourpost.mailboxes.reading import ReadableMessage, make_readable
from hourpost.rules.addresses import parse_address
from hourpost.rules.headers import check_headers
from hourpost.rules.mail.scan import scan
from tests.rules.mail.letters import list_mutations
from tests.rules.mail.test_hostile import ATTACKS, BOUND_SECONDS

ROW: Any = SimpleNamespace(uid=1)
MAILBOX = Mailbox(
    UUID(int=1), UUID(int=2), "info@acme.test", "acme.test", "", 1, 0, (), True, True, None, datetime.now(UTC)
)


def read(content: bytes) -> ReadableMessage:
    return make_readable(ROW, content, scan(content).parts, lambda section: f"/{section}", with_images=False)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_read_like_any_other(name: str) -> None:
    began_at = time.thread_time()
    check(read(ATTACKS[name]))
    assert time.thread_time() - began_at < BOUND_SECONDS


def test_a_mutated_message_can_be_read_and_answered() -> None:
    for content in list_mutations(600, seed=3):
        check(read(content))


def check(message: ReadableMessage) -> None:
    """What an answer takes over can be sent."""
    defaults = answer_defaults(message, MAILBOX, to_all=True)
    assert not check_headers(defaults.headers)
    for address in (*defaults.to, *defaults.cc):
        parse_address(address)
    assert "\0" not in (message.html or "") + (message.text or "") + defaults.subject
