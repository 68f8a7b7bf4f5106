"""Orders as the doors make them."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from hourpost.rules.ids import new_id
from hourpost.rules.submission import Order, Standing, Submission


def make_standing(account, limit: int | None = None, **changes: object) -> Standing:
    """A live API key of an account."""
    allowed = limit if limit is not None else account.limit
    standing = Standing(account.id, None, "api_key", "full", False, account.plan, allowed, False, None)
    return replace(standing, **changes)


def letter(*recipients: str, **changes: object) -> Submission:
    """One email to these recipients."""
    email_id = new_id()
    message_id = f"<{email_id.hex}@acme.test>"
    content = (
        f"From: Acme <hi@acme.test>\r\nTo: you@far.test\r\nSubject: hello\r\nMessage-ID: {message_id}\r\n"
        "Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n.Hello\r\n"
    ).encode()
    submission = Submission(
        email_id=email_id,
        source="test",  # of a sender whose domain nobody looks at
        envelope_from="bounces@acme.test",
        recipients=recipients or ("you@far.test",),
        header_from="Acme <hi@acme.test>",
        from_address="hi@acme.test",
        domain_id=None,
        subject="hello",
        message_id=message_id,
        content=content,
        parts={"to": list(recipients)},
    )
    return submission._replace(**changes)


def letters(count: int, **changes: object) -> tuple[Submission, ...]:
    """So many emails to one recipient each."""
    return tuple(letter(f"you{number}@far.test", **changes) for number in range(count))


def order(standing: Standing, *submissions: Submission, key: str | None = None, body: str = "body") -> Order:
    """What a door hands over; ``body`` is what the idempotency key ``key`` covers."""
    return Order(standing, submissions or (letter(),), key, sha256(body.encode()).digest())
