"""AUTHENTICATE SCRAM-SHA-256: the password itself never travels (RFC 5802, RFC 7677)."""

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import dataclass
from functools import partial

from api.imap import replies
from api.imap.acts.entering import come_in, refuse_login
from api.imap.grammar.commands import Command
from api.imap.replies import Bad
from api.imap.sasl import decode_answer
from api.imap.session import Session
from hourpost.errors import Forbidden
from hourpost.mailboxes.login import Attempt
from hourpost.mailboxes.login_lookup import MailboxLogin, ScramCandidate
from hourpost.rules.scram import is_proof, sign
from hourpost.rules.scram_exchange import Challenge, Proven, ScramError, challenge, read_final, read_first, write_final


@dataclass(frozen=True, slots=True)
class _Exchange:
    attempt: Attempt
    asked: Challenge
    candidates: list[ScramCandidate]


async def begin(session: Session, command: Command, initial: bytes | None) -> str | None:
    """The first message, at once or when it was asked for; it is answered with a challenge."""
    if initial is None:
        session.outlet.write(replies.ASK)
        session.answers = partial(_take_first, session, command)
        return None
    await _challenge(session, command, initial)
    return None


async def _take_first(session: Session, command: Command, line: bytes) -> None:
    async def act(session: Session, command: Command) -> None:
        await _challenge(session, command, line)

    await session.act(command, act)


async def _challenge(session: Session, command: Command, line: bytes) -> None:
    try:
        first = read_first(decode_answer(line))
    except ScramError as error:
        raise Bad(str(error)) from None
    attempt = session.attempt(first.username)
    salt, candidates = await session.door.logins.offer_scram(attempt)
    exchange = _Exchange(attempt, challenge(first, secrets.token_urlsafe(18), salt), candidates)
    session.outlet.write(b"+ " + b64encode(exchange.asked.text.encode()) + b"\r\n")
    session.answers = partial(_take_final, session, command, exchange)


async def _take_final(session: Session, command: Command, exchange: _Exchange, line: bytes) -> None:
    async def act(session: Session, command: Command) -> None:
        login, signature = await _prove(session, exchange, line)
        session.outlet.write(b"+ " + b64encode(write_final(signature)) + b"\r\n")
        session.answers = partial(_take_nothing, session, command, login)

    await session.act(command, act)


async def _prove(session: Session, exchange: _Exchange, line: bytes) -> tuple[MailboxLogin, bytes]:
    try:
        proven = read_final(exchange.asked, decode_answer(line))
    except ScramError as error:
        raise Bad(str(error)) from None
    candidate = _find(exchange.candidates, proven)
    try:
        login = await session.door.logins.finish_scram(exchange.attempt, candidate)
    except Forbidden:
        raise refuse_login(session, exchange.attempt.address) from None
    assert candidate is not None
    return login, sign(candidate.keys, proven.auth_message)


def _find(candidates: list[ScramCandidate], proven: Proven) -> ScramCandidate | None:
    return next((one for one in candidates if is_proof(one.keys, proven.auth_message, proven.proof)), None)


async def _take_nothing(session: Session, command: Command, login: MailboxLogin, line: bytes) -> None:
    async def act(session: Session, command: Command) -> str:
        if decode_answer(line):
            raise Bad("the last answer is empty")
        return await come_in(session, login)

    await session.act(command, act)
