"""Post: what is written in a mailbox leaves as an email of its account, and stands in Sent and beside what it answers.

Accepting comes first, and decides: what follows can be repeated by hand, and its failure takes nothing back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from uuid import UUID

import structlog

from hourpost.errors import HourpostError
from hourpost.mailboxes.deleting import delete_messages
from hourpost.mailboxes.folders import get_folder_by_id
from hourpost.mailboxes.message_changes import FlagChange, Way
from hourpost.mailboxes.parcels import Appended, NewMessage
from hourpost.mailboxes.store import MailStore
from hourpost.rules.mail_flags import Flag
from hourpost.rules.submission import Order, Receipt, Standing, Submission

SOURCE = "mailbox"

log = structlog.get_logger()

Accept = Callable[[Order], Awaitable[Receipt]]


@dataclass(frozen=True, slots=True)
class Place:
    """A message of a mailbox."""

    folder_id: UUID
    uid: int


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mailbox sends: to be filed in its Sent folder; it answers a message, and was a draft, or neither."""

    mailbox_id: UUID
    submission: Submission
    answers: Place | None = None
    draft: Place | None = None
    idempotency_key: str | None = None
    body_sha256: bytes = field(default=b"", repr=False)
    keeps_draft: bool = False  # in Trash: the letter has not all that the draft had


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a letter; ``copy`` is where it stands in Sent, or None, and ``unfiled`` says why."""

    receipt: Receipt
    copy: Appended | None
    unfiled: str = ""


def key_of_draft(mailbox_id: UUID, folder: UUID | str, uid: int | str) -> str:
    """The idempotency key of whatever becomes of a draft: two devices send it once."""
    named = f"{mailbox_id}/{folder}/{uid}"
    return f"hourpost-mail-{sha256(named.encode()).hexdigest()}"


class Post:
    """Sends for mailboxes; any process may."""

    def __init__(self, store: MailStore, accept: Accept) -> None:
        self._store = store
        self._accept = accept

    async def send(self, standing: Standing, letter: Letter) -> Posted:
        """Accept a letter and file it. Raises: what accepting raises, and nothing is filed then.

        It counts as one of which the client files its own copy: ``flow.filing`` looks for that, and shows the outcome.
        """
        submission = letter.submission._replace(source=SOURCE)
        sender = replace(standing, kind=SOURCE, files_for={submission.from_address: letter.mailbox_id})
        order = Order(sender, (submission,), letter.idempotency_key, letter.body_sha256)
        receipt = await self._accept(order)
        if receipt.replayed:
            return Posted(receipt, None)
        posted = await self._file(letter, receipt)
        for step in (self._mark_answered(letter), self._take_draft(letter, is_filed=posted.copy is not None)):
            try:
                await step
            except HourpostError as error:  # its folder is gone: it is on its way all the same
                log.info("a letter is sent, and not all is noted", letter=str(submission.email_id), reason=error.name)
        return posted

    async def _file(self, letter: Letter, receipt: Receipt) -> Posted:
        new = NewMessage(letter.submission.content, flags=Flag.SEEN)
        try:
            folder = await self._store.need_special_folder(letter.mailbox_id, "sent")
            return Posted(receipt, await self._store.append(letter.mailbox_id, folder.id, new))
        except HourpostError as error:  # the mailbox is full, say
            log.info("a sent letter was not filed", email_id=str(letter.submission.email_id), reason=error.name)
            return Posted(receipt, None, error.message)

    async def _mark_answered(self, letter: Letter) -> None:
        if letter.answers is not None:
            place, change = letter.answers, FlagChange(Way.ADD, Flag.ANSWERED)
            await self._store.store_flags(letter.mailbox_id, place.folder_id, ((place.uid, place.uid),), change)

    async def _take_draft(self, letter: Letter, *, is_filed: bool) -> None:
        """Take the draft away; into Trash where nothing else in the mailbox says what it said."""
        if letter.draft is not None:
            folder = await self._store.read(get_folder_by_id, letter.mailbox_id, letter.draft.folder_id)
            is_over = is_filed and not letter.keeps_draft
            await delete_messages(self._store, folder, [letter.draft.uid], permanently=is_over)
