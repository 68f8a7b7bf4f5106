"""The shapes of answers about mailboxes, for the document."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from api.web.v1.shapes import Created, Deleted, HeaderShape, Listed, Shape


class AutoReplyShape(Shape):
    """What a mailbox answers by itself, on which days."""

    text: str
    subject: str
    first_day: date | None
    last_day: date | None
    time_zone: str


class MailboxShape(Created):
    """A mailbox."""

    model_config = ConfigDict(title="Mailbox")

    address: str
    name: str
    aliases: list[str]
    catch_all: bool
    forward_to: list[str]
    keeps_forwarded: bool
    files_sent: bool
    signature: str
    auto_reply: AutoReplyShape | None
    quota_bytes: int
    used_bytes: int
    deleted_at: datetime | None
    created_at: datetime


class MailboxesListed(Listed):
    """One page of mailboxes."""

    data: list[MailboxShape]  # type: ignore[assignment]  # narrower on purpose


class MailboxDeleted(Deleted):
    """A mailbox that was deleted."""

    address: str
    restorable_until: datetime


class AppPasswordShape(Created):
    """An app password without its secret."""

    model_config = ConfigDict(title="AppPassword")

    name: str
    hint: Annotated[str, Field(description="How it begins.")]
    scopes: list[str]
    last_used_at: datetime | None
    created_at: datetime


class AppPasswordsListed(Listed):
    """The app passwords of a mailbox."""

    data: list[AppPasswordShape]  # type: ignore[assignment]  # narrower on purpose


class AppPasswordIssued(AppPasswordShape):
    """A new app password; it is shown this once."""

    model_config = ConfigDict(title="AppPasswordIssued")

    username: str
    password: Annotated[str, Field(examples=["hp_mail_…"])]


class FolderShape(Created):
    """A folder and what it holds."""

    model_config = ConfigDict(title="Folder")

    name: str
    use: Literal["inbox", "drafts", "sent", "junk", "trash", "archive"] | None
    messages: int
    unseen: int
    size_bytes: int
    subscribed: bool
    modseq: Annotated[int, Field(description="Rises with every change; see `changes`.")]
    uid_next: int
    uid_validity: int


class FoldersListed(Listed):
    """The folders of a mailbox, by name."""

    data: list[FolderShape]  # type: ignore[assignment]  # narrower on purpose


class ChangedMessage(Shape):
    """A message that is new or has other flags."""

    uid: int
    modseq: int
    flags: list[str]


class FolderChanges(Shape):
    """What changed in a folder."""

    object: Literal["changes"]
    modseq: int
    is_complete: Annotated[bool, Field(description="False where what went is no longer known.")]
    changed: list[ChangedMessage]
    vanished: list[int]


class MessageSummary(Shape):
    """A message in a list."""

    object: Literal["message"]
    uid: int
    modseq: int
    flags: list[str]
    thread: str
    message_id: str | None
    from_: Annotated[str, Field(alias="from")]
    to: str
    subject: str
    preview: str
    sent_at: datetime | None
    received_at: datetime
    size_bytes: int
    has_attachments: bool


class MessageFileShape(Shape):
    """A file that a message carries."""

    model_config = ConfigDict(title="MessageFile")

    id: str
    filename: str
    content_type: str
    content_id: str | None
    size_bytes: int
    is_inline: bool
    address: Annotated[str, Field(description="Where it is fetched, with the key.")]


class MessageShape(MessageSummary):
    """A message to read."""

    model_config = ConfigDict(title="Message")

    cc: str | None
    reply_to: str | None
    headers: list[HeaderShape]
    text: str | None
    html: Annotated[str | None, Field(description="Safe to show; show it in a sandboxed frame all the same.")]
    blocked_images: Annotated[int, Field(description="Pictures from elsewhere that were left out.")]
    is_complete: Annotated[bool, Field(description="False where a text is cut; `raw` has the whole of it.")]
    attachments: list[MessageFileShape]
    raw: str


class MessagesListed(Listed):
    """One page of messages."""

    data: list[MessageSummary]  # type: ignore[assignment]  # narrower on purpose
    searched_to: Annotated[
        int | None, Field(description="Where a search ended before its page was full; go on from here.")
    ] = None


class FoundMessage(MessageSummary):
    """A message in a list of all folders."""

    folder: str
    folder_name: str


class AllMessagesListed(Listed):
    """One page of the messages of all folders."""

    data: list[FoundMessage]  # type: ignore[assignment]  # narrower on purpose
    next: Annotated[str | None, Field(description="What to give as `after`, where others follow.")] = None


class FlagsChanged(Created):
    """The folder whose messages have other flags now."""

    modseq: int


class MessagesMoved(Shape):
    """Messages, and where they are now."""

    object: Literal["messages"]
    folder: Annotated[str | None, Field(description="Null for what is gone.")]
    uids: list[int]
    new_uids: list[int]
    deleted: bool | None = None


class PlaceShape(Shape):
    """A message by its folder and its number there."""

    model_config = ConfigDict(title="Place")

    uid: int
    folder: str


class LetterSent(Created):
    """A letter that was accepted; `sent` is where its copy stands, null where it could not be filed."""

    message_id: str
    sent: PlaceShape | None


class DraftSaved(Shape):
    """A draft, and where it is."""

    object: Literal["draft"]
    folder: str
    uid: int
