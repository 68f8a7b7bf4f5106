"""Drafts: letters that are not finished, as messages of the Drafts folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hourpost.errors import MessageTooLarge
from hourpost.mailboxes.deleting import delete_messages
from hourpost.mailboxes.messages import list_rows
from hourpost.mailboxes.parcels import Appended, NewMessage
from hourpost.mailboxes.store import MailStore
from hourpost.rules.addresses import Address
from hourpost.rules.headers import encode_addresses
from hourpost.rules.ids import new_id, to_message_id
from hourpost.rules.mail_flags import Flag
from hourpost.rules.mime import Attachment, Content, build_message
from hourpost.rules.submission import MAX_MESSAGE_BYTES

_NOBODY = b"To: undisclosed-recipients:;\r\n"


@dataclass(frozen=True, slots=True)
class Draft:
    """What has been written so far."""

    from_: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()


def write_draft(draft: Draft, now: datetime) -> bytes:
    """The bytes of a draft; hidden recipients stand in it, as mail programs keep them. Raises: MessageTooLarge."""
    content = Content(
        from_=draft.from_,
        to=draft.to,
        cc=draft.cc,
        reply_to=draft.reply_to,
        subject=draft.subject,
        text=draft.text,
        html=draft.html,
        headers=draft.headers,
        attachments=draft.attachments,
    )
    written = build_message(content, message_id=to_message_id("dft", new_id(), draft.from_.domain), date=now)
    if not draft.to:
        written = written.replace(_NOBODY, b"", 1)
    if draft.bcc:
        written = encode_addresses("Bcc", draft.bcc) + written
    if len(written) > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(f"The draft is larger than {MAX_MESSAGE_BYTES // 1024 // 1024} MB once encoded.")
    return written


async def save_draft(
    store: MailStore, mailbox_id: UUID, content: bytes, *, replaces: int | None = None, keeps_old: bool = False
) -> Appended:
    """File a draft, and take away the one that it ``replaces``: into Trash where ``keeps_old``. A star stays on it.

    Raises: NotFound, Conflict, MailboxFull, ServiceUnavailable.
    """
    folder = await store.need_special_folder(mailbox_id, "drafts")
    old = await store.read(list_rows, folder.id, ((replaces, replaces),)) if replaces is not None else []
    flags = Flag.DRAFT | Flag.SEEN | (old[0].flags & Flag.FLAGGED if old else 0)
    saved = await store.append(mailbox_id, folder.id, NewMessage(content, flags=flags))
    if replaces is not None:
        await delete_messages(store, folder, [replaces], permanently=not keeps_old)
    return saved
