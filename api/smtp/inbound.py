"""Port 25: listens and offers TLS, knows no recipient of its own, and relays for nobody."""

from __future__ import annotations

from api.smtp.commands import MailRequest, RecipientRequest
from api.smtp.replies import OUT_OF_SEQUENCE, refuse
from api.smtp.sasl import Login
from api.smtp.transaction import Transaction
from hourpost.errors import NotAuthenticated
from hourpost.rules.submission import Standing


class Inbound:
    """The role of port 25."""

    offers_auth = False
    requires_tls = False

    async def log_in(self, login: Login) -> Standing:
        """Nobody logs in here. Raises: NotAuthenticated."""
        raise NotAuthenticated("Log in on the submission ports.")

    def admit_sender(self, standing: Standing | None, request: MailRequest) -> None:
        """Anybody may begin, also with the null sender."""

    def admit_recipient(self, standing: Standing | None, request: RecipientRequest) -> None:
        """Nobody has a mailbox here. Raises: Refusal."""
        raise refuse(550, "5.7.1", "relaying denied: customers send over the submission ports 587 and 465")

    async def take(self, login: Login | None, transaction: Transaction, content: bytes) -> bytes:
        """Without a recipient there is nothing to take."""
        return OUT_OF_SEQUENCE
