"""What a client wants to hear about delivery: RET, ENVID, NOTIFY, ORCPT (RFC 3461 §4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from api.smtp.replies import refuse

MAX_ENVID = 100
MAX_ORCPT = 500

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_ORCPT = re.compile(r"([A-Za-z0-9-]{1,40});(.+)")
_UTF8_ADDRESS = re.compile(r"[!-~\x80-\U0010ffff]+")
_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})

Parameters = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class MailOptions:
    """``ret`` is FULL or HDRS, ``envid`` as it was written (xtext)."""

    ret: str | None = None
    envid: str | None = None


@dataclass(frozen=True, slots=True)
class RecipientOptions:
    """``notify`` is NEVER or some of SUCCESS, FAILURE, DELAY; ``orcpt`` as it was written."""

    notify: tuple[str, ...] = ()
    orcpt: str | None = None


NO_MAIL_OPTIONS = MailOptions()
NO_RECIPIENT_OPTIONS = RecipientOptions()


def read_ret(parameters: Parameters) -> str | None:
    """Take RET out of ``parameters``. Raises: Refusal."""
    if "RET" not in parameters:
        return None
    value = (parameters.pop("RET") or "").upper()
    if value not in ("FULL", "HDRS"):
        raise refuse(501, "5.5.4", "RET is FULL or HDRS")
    return value


def read_envid(parameters: Parameters) -> str | None:
    """Take ENVID out of ``parameters``. Raises: Refusal."""
    if "ENVID" not in parameters:
        return None
    value = read_xtext(parameters.pop("ENVID"), "ENVID")
    if len(value) > MAX_ENVID:
        raise refuse(501, "5.5.4", f"ENVID has at most {MAX_ENVID} characters")
    return value


def read_notify(parameters: Parameters) -> tuple[str, ...]:
    """Take NOTIFY out of ``parameters``. Raises: Refusal."""
    if "NOTIFY" not in parameters:
        return ()
    words = tuple(word.upper() for word in (parameters.pop("NOTIFY") or "").split(","))
    if words == ("NEVER",):
        return words
    if len(set(words)) != len(words) or not _NOTIFY.issuperset(words):
        raise refuse(501, "5.5.4", "NOTIFY is NEVER, or some of SUCCESS, FAILURE and DELAY with commas between them")
    return words


def read_orcpt(parameters: Parameters) -> str | None:
    """Take ORCPT out of ``parameters``. Raises: Refusal."""
    if "ORCPT" not in parameters:
        return None
    value = parameters.pop("ORCPT") or ""
    match = _ORCPT.fullmatch(value)
    if match is None or len(value) > MAX_ORCPT:
        raise refuse(501, "5.5.4", f"ORCPT is a type, a semicolon and an address, at most {MAX_ORCPT} characters")
    form = _UTF8_ADDRESS if match[1].lower() == "utf-8" else _XTEXT  # RFC 6533 §3
    if form.fullmatch(match[2]) is None:
        raise refuse(501, "5.5.4", "the address of ORCPT is not written as xtext")
    return value


def read_xtext(value: str | None, keyword: str) -> str:
    """A value in the form of RFC 3461 §4, as it was written. Raises: Refusal."""
    if value is None or _XTEXT.fullmatch(value) is None:
        raise refuse(501, "5.5.4", f"{keyword} is not written as xtext")
    return value


def describe(mail: MailOptions, recipients: dict[str, RecipientOptions]) -> dict[str, Any]:
    """All of it as JSON, without what was not said; empty when nothing was."""
    said: dict[str, Any] = {}
    if mail.ret is not None:
        said["ret"] = mail.ret
    if mail.envid is not None:
        said["envid"] = mail.envid
    wishes = {
        address: {"notify": list(options.notify), "orcpt": options.orcpt}
        for address, options in recipients.items()
        if options.notify or options.orcpt is not None
    }
    if wishes:
        said["recipients"] = wishes
    return said
