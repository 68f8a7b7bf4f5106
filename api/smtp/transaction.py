"""One mail transaction: from MAIL to the end of the message."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from api.smtp.commands import MailRequest, RecipientRequest
from api.smtp.readers import Held
from hourpost.inbound.addressees import Addressee
from hourpost.rules.ids import new_id
from hourpost.rules.incoming import Hop


@dataclass(slots=True)
class Transaction:
    """The envelope so far; ``chunks`` is the content of a transaction by BDAT, which ``is_spoilt`` by an error.

    ``addressees`` are where the recipients of incoming mail have led, ``session_id`` names the session in the log.
    """

    mail: MailRequest
    hop: Hop
    recipients: dict[str, RecipientRequest] = field(default_factory=dict)
    addressees: list[Addressee] = field(default_factory=list)
    chunks: Held | None = None
    is_spoilt: bool = False
    session_id: UUID = field(default_factory=new_id)

    def add(self, recipient: RecipientRequest) -> None:
        """Take a recipient; the same address twice is one recipient."""
        self.recipients.setdefault(recipient.address.spec, recipient)
