"""Forms: their fields as texts, and what was wrong with them by field."""

from __future__ import annotations

import re

from starlette.datastructures import UploadFile
from starlette.requests import Request

from hourpost.errors import HourpostError, ValidationFailed

Form = dict[str, str]
"""The fields of a form, without the spaces around them; of several with one name, the last."""

MAX_FIELDS = 200
_OF_FIELD = re.compile(r"^`[a-z_.0-9]++`:? (?!or |and )")
_AS_TYPED = frozenset({"password", "new_password", "current_password"})


async def read_form(request: Request) -> Form:
    """The text fields of the request's body; passwords as they were typed."""
    async with request.form(max_files=0, max_fields=MAX_FIELDS) as found:
        return {
            name: value if name in _AS_TYPED else without_nul(value).strip()
            for name, value in found.multi_items()
            if not isinstance(value, UploadFile)
        }


def faults_by_field(error: HourpostError) -> dict[str, str]:
    """What was wrong: by the name of its field, and under ``""`` what concerns the whole."""
    if not isinstance(error, ValidationFailed):
        return {"": error.message}
    faults: dict[str, str] = {}
    for fault in error.faults:
        faults.setdefault(fault.pointer.strip("/").partition("/")[0], _sentence(fault.detail))
    return faults


def local_path(text: str | None, otherwise: str) -> str:
    """A path of ours that a request names to be led to, or ``otherwise`` for anything that could lead elsewhere.

    Nobody is led to the second step of a log-in by one that has ended: that would lead back here.
    """
    if text and text.startswith("/login/second"):
        return otherwise
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")) or not text.isprintable():
        return otherwise
    return text


def _sentence(text: str) -> str:
    """A fault as people read it: the field that it stands beside needs no name, least of all a program's."""
    text = _OF_FIELD.sub("", text)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else text + "."


async def read_list(request: Request, name: str) -> list[str]:
    """Every value of the fields of that name, such as the boxes that are checked."""
    async with request.form(max_files=0, max_fields=MAX_FIELDS) as found:
        return [without_nul(value) for value in found.getlist(name) if isinstance(value, str)]


def without_nul(text: str) -> str:
    """The text with U+FFFD for U+0000, which PostgreSQL can neither store nor look for, and nobody types."""
    return text.replace("\0", "\ufffd")
