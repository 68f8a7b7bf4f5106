"""Emails for the dashboard's tests, as rows: what became of them is the test's to say."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from hourpost.accounts.queries import Account
from hourpost.database import Database
from hourpost.domains.queries import Domain
from hourpost.flow.store import Bundle, Row, Stored, store
from hourpost.gateways.clock import SystemClock
from hourpost.mailboxes.changes import NewMailbox, create_mailbox
from hourpost.mailboxes.queries import Mailbox
from hourpost.rules.addresses import parse_address
from hourpost.rules.delivery_state import State
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.mime import Attachment, Content, build_message
from hourpost.rules.submission import Order, Standing, Submission
from hourpost.webhooks.changes import create_webhook
from tests.cast import CIPHER

HTML = "<p onclick=\"x()\">Hello <b>Ada</b></p><script>alert(1)</script><img src='https://far.test/pixel.gif'>"


async def make_email(
    database: Database,
    account: Account,
    *recipients: str,
    subject: str = "Your order is on its way",
    state: State = State.SCHEDULED,
    domain: str = "acme.test",
    domain_id: UUID | None = None,
    html: str = HTML,
    attachments: tuple[Attachment, ...] = (Attachment("invoice\u00a7.pdf", b"%PDF-1.7 no more", "application/pdf"),),
) -> str:
    """An email with text, HTML and an attachment; gives its public id."""
    now, email_id = SystemClock().now(), new_id()
    to = recipients or ("ada@far.test",)
    message_id = f"<{email_id.hex}@{domain}>"
    content = Content(
        from_=parse_address(f"Acme <hello@{domain}>"),
        to=tuple(parse_address(one) for one in to),
        subject=subject,
        text="Hello Ada",
        html=html,
        attachments=attachments,
    )
    raw = build_message(content, message_id=message_id, date=now)
    submission = Submission(
        email_id=email_id,
        source="api",
        envelope_from=f"hello@{domain}",
        recipients=to,
        header_from=f"Acme <hello@{domain}>",
        from_address=f"hello@{domain}",
        domain_id=domain_id,
        subject=subject,
        message_id=message_id,
        content=raw,
        parts={"to": list(to), "cc": [], "bcc": [], "reply_to": []},
        tags=[{"name": "kind", "value": "receipt"}],
    )
    rows = tuple(Row(one, state, _due(state, now), None) for one in to)
    standing = Standing(account.id, None, "api_key", "full", False, account.plan, account.limit, False, None)
    order = Order(standing, (submission,))
    async with database.hot_statements() as connection:
        await store(connection, [Bundle(order, None, (Stored(order, submission, domain_id, rows),))], [], now)
    return to_text("em", email_id)


async def make_mailbox(database: Database, account: Account, domain: Domain, local: str = "ada") -> Mailbox:
    """A mailbox that nobody can log in to."""
    async with database.transaction() as connection:
        new = NewMailbox(f"{local}@{domain.name}", "no hash")
        return await create_mailbox(connection, account.id, new, SystemClock().now())


async def make_webhook(database: Database, account: Account) -> str:
    """A webhook that is told of what is sent; gives its public id."""
    async with database.transaction() as connection:
        types = ["email.sent", "email.queued", "email.scheduled"]
        made = await create_webhook(
            connection, account.id, "https://hooks.example/x", types, CIPHER, SystemClock().now()
        )
    return made.webhook.public_id


def _due(state: State, now: datetime) -> datetime:
    return now + timedelta(days=1) if state is State.SCHEDULED else now
