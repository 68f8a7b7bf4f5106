"""The session itself: CAPABILITY, ID, ENABLE, STARTTLS, LOGIN, AUTHENTICATE, COMPRESS, LOGOUT."""

from __future__ import annotations

from functools import partial

import structlog

from api.imap import replies
from api.imap.acts import scram, selecting
from api.imap.acts.entering import enter, leave
from api.imap.acts.flagging import use_condstore
from api.imap.capabilities import ENABLED, write_capabilities
from api.imap.grammar.access import Authenticate, Enable, Identification, Login
from api.imap.grammar.commands import Command
from api.imap.replies import Bad, No, untagged
from api.imap.sasl import decode_answer, parse_plain
from api.imap.session import Session

log = structlog.get_logger()


async def capability(session: Session, command: Command) -> str:
    """CAPABILITY."""
    session.outlet.write(untagged(f"CAPABILITY {write_capabilities(session)}"))
    return "OK CAPABILITY completed"


async def noop(session: Session, command: Command) -> str:
    """NOOP and CHECK: what changed is told, as after every command."""
    return f"OK {command.name} completed"


async def logout(session: Session, command: Command) -> str:
    """LOGOUT."""
    session.outlet.write(b"* BYE see you\r\n")
    selecting.leave(session)
    leave(session)
    session.is_over = True
    return "OK LOGOUT completed"


async def identify(session: Session, command: Command) -> str:
    """ID: who we are, for who the client is."""
    request = command.argument
    assert isinstance(request, Identification)
    log.debug("client", address=session.address, **{"id": dict(request.fields)})
    session.outlet.write(b'* ID ("name" "Hourpost")\r\n')
    return "OK ID completed"


async def enable(session: Session, command: Command) -> str:
    """ENABLE: what is not known is passed over (RFC 5161 §3.1)."""
    request = command.argument
    assert isinstance(request, Enable)
    new = [name for name in ENABLED if name in request.names and name not in session.enabled]
    if "CONDSTORE" in new or "QRESYNC" in new:
        use_condstore(session)
    session.enabled |= frozenset(new)
    session.outlet.write(untagged(f"ENABLED {' '.join(new)}".rstrip()))
    return "OK ENABLE completed"


async def compress(session: Session, command: Command) -> str:
    """COMPRESS DEFLATE (RFC 4978): from the end of this answer on."""
    if command.argument != "DEFLATE":
        raise No("", "the only compression is DEFLATE")
    if session.outlet.is_deflated:
        raise No("COMPRESSIONACTIVE", "compression is active already")
    session.wants_deflate = True
    return "OK DEFLATE is active"


async def start_tls(session: Session, command: Command) -> str:
    """STARTTLS; the connection does the handshake when the answer is out."""
    if session.is_secure:
        raise Bad("TLS is active already")
    if session.door.tls is None:
        raise No("UNAVAILABLE", "TLS is not available")
    session.wants_tls = True
    return "OK begin TLS now"


async def login(session: Session, command: Command) -> str:
    """LOGIN, under TLS only."""
    request = command.argument
    assert isinstance(request, Login)
    _require_tls(session)
    return await enter(session, request)


async def authenticate(session: Session, command: Command) -> str | None:
    """AUTHENTICATE, at once or after a question (RFC 4959)."""
    request = command.argument
    assert isinstance(request, Authenticate)
    _require_tls(session)
    if request.mechanism == "SCRAM-SHA-256":
        return await scram.begin(session, command, request.initial)
    if request.mechanism != "PLAIN":
        raise No("CANNOT", "the mechanisms are PLAIN and SCRAM-SHA-256")
    if request.initial is not None:
        return await enter(session, parse_plain(decode_answer(request.initial)))
    session.outlet.write(replies.ASK)
    session.answers = partial(_take_plain, session, command)
    return None


async def _take_plain(session: Session, command: Command, line: bytes) -> None:
    async def finish(session: Session, _command: Command) -> str:
        return await enter(session, parse_plain(decode_answer(line)))

    await session.act(command, finish)


def _require_tls(session: Session) -> None:
    if not session.is_secure:
        raise No("PRIVACYREQUIRED", "say STARTTLS first")
