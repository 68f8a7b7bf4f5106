"""CREATE, DELETE, RENAME, SUBSCRIBE (RFC 9051 §6.3.4 to §6.3.8, RFC 6154, RFC 8474)."""

from __future__ import annotations

from api.imap.acts.naming import to_new_name, to_stored_name
from api.imap.acts.selecting import leave_deleted
from api.imap.grammar.commands import Command
from api.imap.grammar.folders import Create, Rename
from api.imap.replies import No
from api.imap.session import Session

_USES = {"\\drafts": "drafts", "\\sent": "sent", "\\junk": "junk", "\\trash": "trash", "\\archive": "archive"}


async def create(session: Session, command: Command) -> str:
    """CREATE, with its parents, and with a special use where one is given."""
    request, entered = command.argument, session.entered
    assert isinstance(request, Create)
    assert entered is not None
    unknown = [use for use in request.uses if use.lower() not in _USES]
    if unknown or len(request.uses) > 1:
        raise No("USEATTR", "a folder has one special use of Drafts, Sent, Junk, Trash, Archive")
    use = _USES[request.uses[0].lower()] if request.uses else None
    folder = await session.door.store.create_folder(entered.mailbox_id, to_new_name(request.folder), use)
    return f"OK [MAILBOXID (F{folder.id.hex})] CREATE completed"


async def delete(session: Session, command: Command) -> str:
    """DELETE; folders below it stay. The selected one may be it, and then none is any more."""
    entered, name = session.entered, command.argument
    assert entered is not None
    assert isinstance(name, str)
    await session.door.store.delete_folder(entered.mailbox_id, to_stored_name(name))
    await leave_deleted(session)
    return "OK DELETE completed"


async def rename(session: Session, command: Command) -> str:
    """RENAME, with all that is below it; of INBOX only the messages go (RFC 9051 §6.3.6)."""
    request, entered = command.argument, session.entered
    assert isinstance(request, Rename)
    assert entered is not None
    old, new = to_stored_name(request.old), to_new_name(request.new)
    await session.door.store.rename_folder(entered.mailbox_id, old, new)
    return "OK RENAME completed"


async def subscribe(session: Session, command: Command) -> str:
    """SUBSCRIBE and UNSUBSCRIBE."""
    entered, name = session.entered, command.argument
    assert entered is not None
    assert isinstance(name, str)
    wanted = command.name == "SUBSCRIBE"
    await session.door.store.subscribe(entered.mailbox_id, to_new_name(name), wanted=wanted)
    return f"OK {command.name} completed"
