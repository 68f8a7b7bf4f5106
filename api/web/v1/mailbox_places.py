"""What the paths below a mailbox name: the mailbox itself, one of its folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path

from api.web.dependencies import DomainManager, ThePartsOf
from api.web.parts import Parts
from hourpost.errors import Fault, Forbidden, NotFound, ValidationFailed
from hourpost.mailboxes import queries
from hourpost.mailboxes.folders import PREFIX, Folder, find_special_folder, get_folder, get_folder_by_id
from hourpost.mailboxes.queries import Mailbox
from hourpost.mailboxes.uid_ranges import LAST_UID
from hourpost.rules.addresses import AddressError, normalise_domain
from hourpost.rules.folder_names import INBOX, SPECIAL_USES
from hourpost.rules.ids import from_text
from hourpost.rules.submission import Standing


async def mailbox_of(text: str, caller: Standing, parts: Parts, *, deleted_too: bool = False) -> Mailbox:
    """The mailbox that ``text`` names by id or address. Raises: NotFound."""
    if "\0" in text:
        raise NotFound("There is no such mailbox.")
    async with parts.database.reading() as connection:
        find = queries.get_restorable_mailbox if deleted_too else queries.get_named_mailbox
        found = await find(connection, caller.account_id, text)
    if found.deleted_at is not None and not deleted_too:
        raise NotFound("There is no such mailbox.")
    require_reach(caller, [("", address) for address in found.addresses])
    return found


def require_reach(caller: Standing, addresses: Iterable[tuple[str, str]]) -> None:
    """Refuse, to a key for one domain, mailboxes with ``addresses`` (after their places) of others: who has one sends.

    Raises: Forbidden.
    """
    if caller.only_domain_id is None:
        return
    detail = "This API key is for one domain, and reaches the mailboxes of that domain only."
    domains = [(place, text.strip().rpartition("@")[2]) for place, text in addresses]
    faults = [Fault(place, detail) for place, name in domains if not _is_within(caller, name)]
    if faults:
        raise Forbidden("restricted_api_key", detail, faults=[fault for fault in faults if fault.pointer])


def _is_within(caller: Standing, domain: str) -> bool:
    try:
        return caller.sending_domain(normalise_domain(domain)) is not None
    except AddressError:
        return False


async def folder_of(text: str, mailbox: Mailbox, parts: Parts) -> Folder:
    """The folder that ``text`` names by its id, or by what it is for: inbox, sent, drafts … Raises: NotFound."""
    folder_id = from_text(PREFIX, text)
    if folder_id is not None:
        return await parts.mail.read(get_folder_by_id, mailbox.id, folder_id)
    use = text.lower()
    found = None
    if use == "inbox":
        return await parts.mail.read(get_folder, mailbox.id, INBOX)
    if use in SPECIAL_USES:
        found = await parts.mail.read(find_special_folder, mailbox.id, use)
    if found is None:
        raise NotFound("There is no such folder.")
    return found


@dataclass(frozen=True, slots=True)
class InMailbox:
    """A request about one mailbox."""

    caller: Standing
    parts: Parts
    mailbox: Mailbox


@dataclass(frozen=True, slots=True)
class InFolder:
    """A request about one folder."""

    caller: Standing
    parts: Parts
    mailbox: Mailbox
    folder: Folder

    @property
    def ids(self) -> tuple[UUID, UUID]:
        """Mailbox and folder, as the store wants them."""
        return self.mailbox.id, self.folder.id


async def _in_mailbox(mailbox: str, caller: DomainManager, parts: ThePartsOf) -> InMailbox:
    return InMailbox(caller, parts, await mailbox_of(mailbox, caller, parts))


async def _in_folder(folder: str, here: Annotated[InMailbox, Depends(_in_mailbox)]) -> InFolder:
    return InFolder(here.caller, here.parts, here.mailbox, await folder_of(folder, here.mailbox, here.parts))


TheMailbox = Annotated[InMailbox, Depends(_in_mailbox)]
TheFolder = Annotated[InFolder, Depends(_in_folder)]
Uid = Annotated[int, Path(ge=1, le=LAST_UID, description="The number of the message in its folder.")]


def no_nul(texts: Mapping[str, str]) -> None:
    """Refuse the one character that PostgreSQL cannot store. Raises: ValidationFailed, with every place."""
    faults = [
        Fault(place, f"`{place[1:]}` holds the character U+0000") for place, text in texts.items() if "\0" in text
    ]
    if faults:
        raise ValidationFailed(faults)
