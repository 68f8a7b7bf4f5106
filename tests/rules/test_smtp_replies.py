"""What relays answer, and what follows from it."""

from __future__ import annotations

import pytest

from hourpost.rules.smtp_replies import ReplyClass, classify, explain, is_bad_address

ACCEPTED, TRANSIENT, PERMANENT, RELAY_FAULT, UNKNOWN = ReplyClass


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "stage", "meaning"),
    [
        (250, "2.0.0", "queued", "dot", ACCEPTED),
        (250, "2.1.5", "Ok", "rcpt", ACCEPTED),
        (251, None, "will forward", "rcpt", ACCEPTED),
        (354, None, "go ahead", "data", ACCEPTED),
        (421, "4.3.2", "shutting down", "rcpt", TRANSIENT),
        (421, "4.7.0", "too many connections", "connect", RELAY_FAULT),
        (450, "4.2.0", "greylisted", "rcpt", TRANSIENT),
        (451, "4.3.0", "local error", "dot", TRANSIENT),
        (452, "4.2.2", "mailbox full", "rcpt", TRANSIENT),
        (452, "4.5.3", "too many recipients", "rcpt", TRANSIENT),
        (452, "4.3.1", "insufficient storage", "mail", TRANSIENT),
        (454, "4.7.0", "temporary authentication failure", "auth", RELAY_FAULT),
        (454, "4.7.0", "TLS not available", "tls", RELAY_FAULT),
        (503, "5.5.1", "need AUTH first", "mail", RELAY_FAULT),
        (530, "5.7.0", "Must issue a STARTTLS command first", "mail", RELAY_FAULT),
        (530, "5.7.0", "Authentication required", "mail", RELAY_FAULT),
        (534, "5.7.9", "mechanism too weak", "auth", RELAY_FAULT),
        (535, "5.7.8", "bad credentials", "auth", RELAY_FAULT),
        (535, "5.7.8", "bad credentials", "rcpt", RELAY_FAULT),
        (550, "5.7.8", "credentials expired", "mail", RELAY_FAULT),
        (554, "5.7.1", "<a@b.test>: Relay access denied", "rcpt", RELAY_FAULT),
        (550, None, "relaying denied", "rcpt", RELAY_FAULT),
        (554, "5.7.1", "no service here", "connect", RELAY_FAULT),
        (502, None, "not implemented", "data", RELAY_FAULT),
        (500, None, "what?", "rcpt", PERMANENT),
        (501, "5.1.3", "bad address", "rcpt", PERMANENT),
        (550, "5.1.1", "no such user", "rcpt", PERMANENT),
        (550, "5.7.1", "rejected as spam", "dot", PERMANENT),
        (550, "5.7.26", "unauthenticated", "dot", PERMANENT),
        (550, "5.7.26", "sender domain is not authenticated", "dot", PERMANENT),
        (554, "5.7.9", "Message not accepted for policy reasons", "dot", PERMANENT),
        (554, "5.7.1", "authentication required for this sender", "body", PERMANENT),
        (451, "4.7.12", "come back later", "dot", TRANSIENT),
        (503, "5.5.1", "bad sequence of commands", "dot", RELAY_FAULT),
        (551, None, "user not local", "rcpt", PERMANENT),
        (552, "5.2.2", "mailbox full", "rcpt", PERMANENT),
        (552, "5.3.4", "too large", "mail", PERMANENT),
        (552, "5.5.3", "too many recipients", "rcpt", TRANSIENT),
        (553, None, "mailbox name not allowed", "rcpt", PERMANENT),
        (554, "5.6.0", "bare LF", "dot", PERMANENT),
        (556, "5.1.10", "null MX", "rcpt", PERMANENT),
        (599, None, "?", "dot", PERMANENT),
        (550, "4.2.1", "says both", "rcpt", PERMANENT),
        (450, "5.1.1", "says both", "rcpt", TRANSIENT),
        (199, None, "?", "rcpt", TRANSIENT),
        (600, None, "?", "rcpt", TRANSIENT),
        (None, None, "", "connect", RELAY_FAULT),
        (None, None, "", "auth", RELAY_FAULT),
        (None, None, "", "rcpt", TRANSIENT),
        (None, None, "", "body", TRANSIENT),
        (None, None, "", "dot", UNKNOWN),
    ],
)
def test_a_reply_has_its_class(
    code: int | None, enhanced: str | None, text: str, stage: str, meaning: ReplyClass
) -> None:
    assert classify(code, enhanced, text, stage) is meaning


@pytest.mark.parametrize("code", range(400, 600))
def test_every_refusal_has_a_class_and_a_sentence(code: int) -> None:
    for stage in ("connect", "tls", "auth", "mail", "rcpt", "data", "body", "dot"):
        meaning = classify(code, None, "", stage)
        assert meaning is not ACCEPTED
        assert (meaning is PERMANENT) <= (code >= 500)
    assert explain(code, None).endswith(".")


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "bad"),
    [
        (550, "5.1.1", "", True),
        (553, "5.1.3", "", True),
        (556, "5.1.10", "", True),
        (550, None, "No such user here", True),
        (550, None, "Mailbox does not exist", True),
        (550, None, "Unrouteable address", True),
        (550, "5.0.0", "<b@acme.test>: unroutable address", True),
        (550, None, "Unrouteable address, Sender verify failed", False),
        (550, "5.0.0", "user unknown", True),
        (550, "5.7.1", "user unknown to our spam filter", False),
        (550, None, "Verification failed for <b@acme.test>, no such user here, Sender verify failed", False),
        (550, None, "Sender address rejected: User unknown in virtual mailbox table", False),
        (550, "5.1.1", "<gone@x.test>: no such user, says sender", True),
        (552, "5.2.2", "mailbox full", False),
        (550, None, "blocked", False),
        (554, None, "unknown user", False),
        (450, "4.1.1", "unknown user", False),
        (250, "2.1.5", "", False),
        (None, None, "", False),
    ],
)
def test_an_address_is_blamed_only_when_the_reply_blames_it(
    code: int | None, enhanced: str | None, text: str, bad: bool
) -> None:
    assert is_bad_address(code, enhanced, text) is bad


@pytest.mark.parametrize(
    ("code", "enhanced", "word"),
    [
        (550, "5.1.1", "no mailbox"),
        (452, "4.2.2", "full"),
        (535, "5.7.8", "password"),
        (451, None, "greylisting"),
        (550, "5.1.99", "mailbox"),
        (598, "5.6.99", "content"),
        (598, "nonsense", "refused"),
        (250, None, "took"),
        (None, None, "without an answer"),
    ],
)
def test_a_reply_is_told_in_plain_words(code: int | None, enhanced: str | None, word: str) -> None:
    assert word in explain(code, enhanced)
