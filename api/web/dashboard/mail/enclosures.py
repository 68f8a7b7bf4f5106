"""What is attached to a letter: what came with the draft or with what is forwarded, and what is chosen anew."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile

from api.web.dashboard.forms import Form
from api.web.dashboard.mail.letters import file_name
from api.web.dashboard.mail.places import place_of
from api.web.dashboard.mail.readers import Reader
from hourpost.errors import Fault, ValidationFailed
from hourpost.flow.post import Place
from hourpost.mailboxes import reading
from hourpost.rules.mail.fields import drop_fields

MAX_UPLOAD_BYTES = 25 * 1024 * 1024
_SOURCES = ("forwards", "draft")
_ORIGINAL = "message"
"""In place of the number of a part: all of them."""
_HIDDEN = frozenset((b"bcc", b"resent-bcc"))
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_MOST_OF_SUBJECT = 50


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is there already; ``value`` names it in the form, ``is_wanted`` unless its tick was taken away.

    ``is_original``: it is the message itself that is forwarded.
    """

    value: str
    name: str
    size_bytes: int
    is_wanted: bool
    is_original: bool = False


def wanted_of(data: FormData) -> frozenset[str] | None:
    """The files that are still ticked; None, and so all of them, from a form that did not show them."""
    return frozenset(str(one) for one in data.getlist("kept")) if data.get("kept_shown") else None


async def list_kept(reader: Reader, form: Form, wanted: Collection[str] | None = None) -> list[Kept]:
    """The files that are there already, to choose from."""
    return [
        Kept(
            value,
            file_name(file),
            file.size_bytes,
            fits if wanted is None else value in wanted,
            file.section == _ORIGINAL,
        )
        async for value, _, file, fits in _files(reader, form)
    ]


async def read_all(reader: Reader, form: Form, data: FormData, wanted: Collection[str] | None) -> list[dict[str, Any]]:
    """Every file of the letter, as the fields of an email have them. Raises: ValidationFailed, too large together."""
    files = await _read_kept(reader, form, wanted)
    for one in uploads(data):
        content = await one.read(MAX_UPLOAD_BYTES + 1)
        files.append(_file(one.filename or "", content, one.content_type or "application/octet-stream"))
    if sum(len(one["content"]) for one in files) * 3 // 4 > MAX_UPLOAD_BYTES:
        raise ValidationFailed([Fault("/files", f"all files together may have {MAX_UPLOAD_BYTES // 1024 // 1024} MB")])
    return files


def uploads(data: FormData) -> list[UploadFile]:
    """The files that were chosen anew."""
    return [one for one in data.getlist("files") if isinstance(one, UploadFile) and one.filename]


async def _read_kept(reader: Reader, form: Form, wanted: Collection[str] | None) -> list[dict[str, Any]]:
    files = []
    async for value, place, file, fits in _files(reader, form):
        if not (fits if wanted is None else value in wanted):
            continue
        content = await _content(reader, place, file.section)
        files.append(_file(file_name(file), content, file.written_type))
    return files


async def _content(reader: Reader, place: Place, section: str) -> bytes:
    store = reader.parts.mail
    row = await reading.find_row(store, place.folder_id, place.uid)
    if section == _ORIGINAL:
        pieces = await reading.open_raw(store, row.content_id, row.size_bytes, "There is no such message.")
        return drop_fields(b"".join([piece async for piece in pieces]), _HIDDEN)
    part = await reading.find_part(store, row, section)
    return b"".join([piece async for piece in reading.stream_part(store, row, part)])


async def _files(reader: Reader, form: Form) -> AsyncIterator[tuple[str, Place, reading.AttachedFile, bool]]:
    """What was attached to the message that is forwarded, and to the draft, each with its name in the form.

    A page that is forwarded is a file too, because the form holds nothing but its words; the last value says whether
    a file goes along where nobody has chosen: the page does, as far as there is room for it.
    """
    for source in _SOURCES:
        if not form.get(source):
            continue
        place = await place_of(reader, form[source])
        message = await reading.read_message(reader.parts.mail, reader.place(place.folder_id, place.uid), lambda _: "")
        if source == "forwards" and not form.get("again") and message.html is not None:
            size = message.row.size_bytes + sum(file.size_bytes for file in message.files)
            yield f"{source}:{_ORIGINAL}", place, _original(message), size <= MAX_UPLOAD_BYTES
        for file in message.files:
            yield f"{source}:{file.section}", place, file, True


def _original(message: reading.ReadableMessage) -> reading.AttachedFile:
    """The message itself, called by its subject."""
    name = " ".join(_NOT_IN_NAMES.sub(" ", message.row.subject).split())[:_MOST_OF_SUBJECT].strip(". ") or "message"
    return reading.AttachedFile(
        section=_ORIGINAL,
        filename=f"{name}.eml",
        content_type="message/rfc822",
        content_id=None,
        size_bytes=message.row.size_bytes,
        is_inline=False,
        written_type="message/rfc822",
    )


def _file(name: str, content: bytes, kind: str) -> dict[str, Any]:
    return {"filename": name, "content": base64.b64encode(content).decode(), "content_type": kind}
