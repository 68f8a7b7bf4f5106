"""APPEND: each message is announced, looked at by its size alone, let in or refused; all are stored together."""

from __future__ import annotations

import re

from api.imap import replies
from api.imap.acts.copying import find_target
from api.imap.grammar.commands import BadLine, Command, read_arriving
from api.imap.grammar.framing import Announced
from api.imap.grammar.messages import Append
from api.imap.replies import No
from api.imap.session import Arriving, Session
from api.imap.writing.words import write_numbers
from hourpost.errors import HourpostError, MessageTooLarge
from hourpost.mailboxes.folders import Folder
from hourpost.mailboxes.parcels import NewMessage
from hourpost.mailboxes.quota import get_quota
from hourpost.rules.mail_flags import split_flags

_BARE_LF = re.compile(rb"(?<!\r)\n")


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
    if arriving.folder is None:
        arriving.folder = await find_target(session, append.folder)
    quota = await session.door.store.read(get_quota, session.entered.mailbox_id)
    if not quota.has_room(arriving.size_bytes + frame.size_bytes):
        raise No("OVERQUOTA", "the mailbox is full")
    if not session.door.claim(frame.size_bytes):
        raise No("UNAVAILABLE", "too many large messages at the moment, please try again")
    arriving.messages += 1
    arriving.size_bytes += frame.size_bytes


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
        if arriving is None or arriving.folder is None or not all(one.content for one in request.messages):
            raise No("", "a message is empty: nothing was stored")
        return await _store(session, arriving.folder, request)
    finally:
        forget(session)


async def _store(session: Session, folder: Folder, request: Append) -> str:
    news = []
    for one in request.messages:
        flags, keywords = split_flags(one.flags)
        content = _BARE_LF.sub(b"\r\n", one.content)
        if len(content) > session.door.limits.message_bytes:
            raise MessageTooLarge("with its line ends the message is larger than we take")
        news.append(NewMessage(content, flags, keywords, one.internal_date))
    appended = await session.door.store.append_all(folder.mailbox_id, folder.id, news)
    uids = write_numbers([one.uid for one in appended])
    return f"OK [APPENDUID {appended[0].uidvalidity} {uids}] APPEND completed"
