"""APPEND: each message is announced, looked at by its size alone, let in or refused; all are stored together."""

from __future__ import annotations

import re

from api.imap import replies
from api.imap.acts.naming import to_stored_name
from api.imap.grammar.commands import BadLine, Command, read_arriving
from api.imap.grammar.framing import Announced
from api.imap.grammar.messages import Append
from api.imap.replies import No
from api.imap.session import Arriving, Session
from api.imap.writing.words import write_numbers
from hourpost.errors import HourpostError, MessageTooLarge, NotFound
from hourpost.mailboxes.parcels import NewMessage, Target
from hourpost.mailboxes.quota import find_folder_and_quota
from hourpost.rules.mail_flags import split_flags

# What comes unasked and is small is in our hands before PostgreSQL could be asked about it: storing it finds out
_SMALL_BYTES = 256 * 1024
_BARE_LF = re.compile(rb"(?<!\r)\n")


def lets_in(session: Session, frame: Announced) -> bool:
    """Let a small message in that comes unasked, for the folder of the last one; False: look closer at it."""
    arriving, target = session.arriving, session.target
    most_bytes = min(_SMALL_BYTES, session.door.limits.message_bytes)
    if frame.is_waiting or frame.size_bytes > most_bytes or arriving is not None or target is None:
        return False
    try:
        tag, append = read_arriving(frame.text, frame.literals, is_utf8=session.is_utf8)
        if to_stored_name(append.folder) != target.name or not session.door.claim(frame.size_bytes):
            return False
    except (BadLine, No):
        return False
    session.arriving = Arriving(tag, target, 1, frame.size_bytes)
    session.framer.accept()
    return True


async def announced(session: Session, frame: Announced) -> None:
    """Let a message in, or refuse it: at once to a client that waits, else when it has been read past."""
    if session.arriving is None:
        session.arriving = Arriving(b"*")
    arriving = session.arriving
    try:
        arriving.tag, append = read_arriving(frame.text, frame.literals, is_utf8=session.is_utf8)
        await _admit(session, arriving, append, frame)
    except BadLine as bad:
        arriving.tag = bad.tag
        _refuse(session, frame, "BAD", No("", bad.reason))
    except No as no:
        _refuse(session, frame, "NO", no)
    except HourpostError as error:
        _refuse(session, frame, "NO", replies.translate(error))
    else:
        session.framer.accept()
        if frame.is_waiting:
            session.outlet.write(replies.GO_ON)


def fail(session: Session, frame: Announced) -> None:
    """Nobody foresaw what went wrong: the message is not let in, and the session goes on."""
    _refuse(session, frame, "NO", No("SERVERBUG", "something went wrong here, please try again"))


def _refuse(session: Session, frame: Announced, kind: str, why: No) -> None:
    arriving = session.arriving
    assert arriving is not None
    text = replies.write_condition(kind, why.code, why.text)
    if frame.is_waiting:
        session.answer(arriving.tag, text)
        session.framer.refuse()
        forget(session)
    elif frame.size_bytes > session.door.limits.message_bytes or not session.is_logged_in:
        session.outlet.write(replies.untagged(replies.write_condition("BYE", why.code, why.text)))
        session.is_over = True
    else:
        arriving.refusal = text
        session.framer.skip()


async def _admit(session: Session, arriving: Arriving, append: Append, frame: Announced) -> None:
    if session.entered is None:
        raise BadLine(arriving.tag, "log in first")
    limits = session.door.limits
    if frame.size_bytes > limits.message_bytes:
        raise No("TOOBIG", f"a message has at most {limits.message_bytes} bytes")
    if arriving.messages >= limits.messages_per_append:
        raise No("LIMIT", f"at most {limits.messages_per_append} messages at once")
    arriving.target = await _find_target(session, append.folder, arriving.size_bytes + frame.size_bytes)
    if not session.door.claim(frame.size_bytes):
        raise No("UNAVAILABLE", "too many large messages at the moment, please try again")
    arriving.messages += 1
    arriving.size_bytes += frame.size_bytes


async def _find_target(session: Session, name: str, size_bytes: int) -> Target:
    """The folder of this name, where the mailbox has room. Raises: No with TRYCREATE or OVERQUOTA, NotFound."""
    assert session.entered is not None
    mailbox_id, stored_name = session.entered.mailbox_id, to_stored_name(name)
    folder_id, quota = await session.door.store.read(find_folder_and_quota, mailbox_id, stored_name)
    if folder_id is None:
        raise No("TRYCREATE", "there is no such folder")
    if not quota.has_room(size_bytes):
        raise No("OVERQUOTA", "the mailbox is full")
    return Target(mailbox_id, folder_id, name=stored_name)


def skipped(session: Session) -> None:
    """Answer the APPEND whose message was not wanted."""
    arriving = session.arriving
    assert arriving is not None
    session.answer(arriving.tag, arriving.refusal)
    forget(session)


def forget(session: Session) -> None:
    """Give back what an APPEND holds."""
    arriving, session.arriving = session.arriving, None
    if arriving is not None:
        session.door.release(arriving.size_bytes)


async def append(session: Session, command: Command) -> str:
    """APPEND, when all of its messages are there."""
    request, arriving = command.argument, session.arriving
    assert isinstance(request, Append)
    try:
        if arriving is None or arriving.target is None or not all(one.content for one in request.messages):
            raise No("", "a message is empty: nothing was stored")
        return await _store(session, arriving.target, request)
    finally:
        forget(session)


async def _store(session: Session, target: Target, request: Append) -> str:
    news = []
    for one in request.messages:
        flags, keywords = split_flags(one.flags)
        content = _BARE_LF.sub(b"\r\n", one.content)
        if len(content) > session.door.limits.message_bytes:
            raise MessageTooLarge("with its line ends the message is larger than we take")
        news.append(NewMessage(content, flags, keywords, one.internal_date))
    try:
        appended = await session.door.store.append_to(target, news)
    except NotFound:  # it has another name by now, or is gone; another may have its name
        session.target = None
        target = await _find_target(session, request.folder, sum(len(new.content) for new in news))
        appended = await session.door.store.append_to(target, news)
    session.target = target
    uids = write_numbers([one.uid for one in appended])
    return f"OK [APPENDUID {appended[0].uidvalidity} {uids}] APPEND completed"
