"""Cookies: the session's token, and a message for the next page."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.web.parts import parts_of
from hourpost.mailboxes.sessions import LONGEST as LONGEST_MAIL
from hourpost.settings import Settings
from hourpost.users.sessions import LONGEST

_FLASH_SECONDS = 60
_A_YEAR_SECONDS = 365 * 24 * 3600
_KEYLESS = "hourpost-mail-keyless"
_TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Flash:
    """A message about what was just done; ``tone`` is good, info, warn or bad.

    ``undo`` is the form that undoes it, fields with their values, and is sent to the path ``undo_at``.
    """

    text: str
    tone: str = "good"
    undo_at: str = ""
    undo: list[tuple[str, str]] = field(default_factory=list)


def session_name(settings: Settings) -> str:
    """The session cookie's name; browsers take ``__Host-`` only over TLS, from the host itself, for all its paths."""
    return "__Host-hourpost" if _is_secure(settings) else "hourpost"


def read_session(request: Request) -> str | None:
    """The session's token, if the browser has one."""
    return request.cookies.get(session_name(parts_of(request).settings)) or None


def set_session(response: Response, settings: Settings, token: str) -> None:
    """Give the browser its session."""
    seconds = int(LONGEST.total_seconds())
    _set(response, settings, session_name(settings), token, seconds)


def clear_session(response: Response, settings: Settings) -> None:
    """Take the session away."""
    _set(response, settings, session_name(settings), "", 0)


def read_mail_session(request: Request) -> str | None:
    """The token of the inbox's session, if the browser has one."""
    return request.cookies.get(_mail_name(parts_of(request).settings)) or None


def set_mail_session(response: Response, settings: Settings, token: str) -> None:
    """Let the browser into a mailbox."""
    _set(response, settings, _mail_name(settings), token, int(LONGEST_MAIL.total_seconds()))


def clear_mail_session(response: Response, settings: Settings) -> None:
    """Let the browser out."""
    _set(response, settings, _mail_name(settings), "", 0)


def read_keyless(request: Request) -> bool:
    """Whether somebody wants no single letters to be commands of the inbox in this browser."""
    return request.cookies.get(_KEYLESS) == "1"


def set_keyless(response: Response, settings: Settings, *, is_keyless: bool) -> None:
    """Note whether they do; it tells nothing else, and outlives log-ins."""
    _set(response, settings, _KEYLESS, "1" if is_keyless else "", _A_YEAR_SECONDS if is_keyless else 0)


def set_flash(response: Response, settings: Settings, flash: Flash) -> None:
    """Leave a message for the next page."""
    body = orjson.dumps([flash.text, flash.tone, flash.undo_at, flash.undo])
    value = base64.urlsafe_b64encode(_tag(settings, body) + body).decode()
    _set(response, settings, _flash_name(settings), value, _FLASH_SECONDS)


def read_flash(request: Request) -> Flash | None:
    """The message that the page before has left; one that we did not write is none."""
    settings = parts_of(request).settings
    value = request.cookies.get(_flash_name(settings))
    if not value:
        return None
    try:
        raw = base64.urlsafe_b64decode(value)
    except ValueError:
        return None
    tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(settings, body)):
        return None
    return Flash(*orjson.loads(body))


def clear_flash(response: Response, settings: Settings) -> None:
    """Take the message away once it was shown."""
    _set(response, settings, _flash_name(settings), "", 0)


def _flash_name(settings: Settings) -> str:
    return "__Host-hourpost-said" if _is_secure(settings) else "hourpost-said"


def _mail_name(settings: Settings) -> str:
    return "__Host-hourpost-mail" if _is_secure(settings) else "hourpost-mail"


def _is_secure(settings: Settings) -> bool:
    return settings.public_url.startswith("https://")


def _set(response: Response, settings: Settings, name: str, value: str, seconds: int) -> None:
    response.set_cookie(
        name, value, max_age=seconds, path="/", secure=_is_secure(settings), httponly=True, samesite="lax"
    )


def _tag(settings: Settings, body: bytes) -> bytes:
    secret = settings.secret_key.get_secret_value() if settings.secret_key else ""
    return hmac.new(_key(secret), body, hashlib.sha256).digest()[:_TAG_BYTES]


@lru_cache(maxsize=2)
def _key(secret: str) -> bytes:
    return hashlib.sha256(b"hourpost messages 1\0" + secret.encode()).digest()
