"""QUOTA (RFC 9208): one root, the mailbox itself; only its owner's account sets it."""

from __future__ import annotations

from api.imap.acts.naming import to_stored_name
from api.imap.grammar.commands import Command
from api.imap.replies import No, untagged
from api.imap.session import Session
from api.imap.writing.words import write_folder
from hourpost.mailboxes.folders import get_folder
from hourpost.mailboxes.quota import get_quota as read_quota

_UNIT_BYTES = 1024  # of STORAGE


async def get_quota(session: Session, command: Command) -> str:
    """GETQUOTA of the only root."""
    if command.argument != "":
        raise No("NONEXISTENT", "there is no such quota root")
    await _write(session)
    return "OK GETQUOTA completed"


async def get_quota_root(session: Session, command: Command) -> str:
    """GETQUOTAROOT of a folder."""
    entered, name = session.entered, command.argument
    assert entered is not None
    assert isinstance(name, str)
    folder = await session.door.store.read(get_folder, entered.mailbox_id, to_stored_name(name))
    session.outlet.write(b'* QUOTAROOT %b ""\r\n' % write_folder(folder.name, is_utf8=session.is_utf8))
    await _write(session)
    return "OK GETQUOTAROOT completed"


async def set_quota(session: Session, command: Command) -> str:
    """SETQUOTA: not here."""
    raise No("NOPERM", "the quota is set where mailboxes are managed")


async def _write(session: Session) -> None:
    assert session.entered is not None
    quota = await session.door.store.read(read_quota, session.entered.mailbox_id)
    # Both upwards: a mailbox that is full to the byte has not more than it may
    used, limit = (-(-size // _UNIT_BYTES) for size in (quota.used_bytes, quota.limit_bytes))
    session.outlet.write(untagged(f'QUOTA "" (STORAGE {used} {limit})'))
