"""What a port is for: the one place where submission and inbound mail differ."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from api.smtp.commands import MailRequest, RecipientRequest
from api.smtp.sasl import Login
from api.smtp.transaction import Transaction
from hourpost.rules.submission import Standing


class Role(Protocol):
    """Says who may send what to whom, and takes the message."""

    offers_auth: bool
    requires_tls: bool  # before anything but EHLO, NOOP, HELP, STARTTLS and QUIT
    recipients: int | None  # of one message at most, where it is not what the door allows

    async def log_in(self, login: Login, peer: str) -> Standing:
        """Who this is; ``peer`` is the IP address it comes from. Raises: HourpostError."""
        ...

    def admit_sender(self, standing: Standing | None, request: MailRequest) -> None:
        """Pass whoever may begin a transaction. Raises: Refusal."""
        ...

    def admit_recipient(
        self, standing: Standing | None, transaction: Transaction, request: RecipientRequest
    ) -> Coroutine[Any, Any, None] | None:
        """Pass recipients that mail may go to, at once or after a look. Raises, also later: Refusal, HourpostError."""
        ...

    async def take(self, login: Login | None, transaction: Transaction, content: bytes) -> bytes:
        """Keep a message for good and give the reply. Raises: HourpostError, ContentError, Refusal."""
        ...
