"""The email of `hourpost send`: from its options to the body that the API takes."""

from __future__ import annotations

import base64
import mimetypes
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hourpost.errors import Fault, Refused, ValidationFailed
from hourpost.rules.labels import read_metadata, read_tag
from hourpost.rules.submission import OnLimit

BATCH = 200
_BATCH_BYTES = 20_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says of an email, besides its recipients; all of it as it was written."""

    sender: str
    subject: str = ""
    text: str | None = None
    html: Path | None = None
    attach: Sequence[Path] = ()
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: Sequence[str] = ()
    headers: Sequence[str] = ()
    tags: Sequence[str] = ()
    metadata: str | None = None
    scheduled_at: str | None = None
    expires_at: str | None = None
    on_limit: OnLimit | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """An email without its recipients, as the API takes it."""

    fields: dict[str, Any]
    size_bytes: int
    faults: tuple[Fault, ...] = ()
    """What is missing, or written in a way that means nothing."""

    @classmethod
    def read(cls, options: Options) -> Draft:
        """Read what the options name. Raises: OSError, Refused."""
        faults: list[Fault] = []
        content = _content(options)
        if not options.sender:
            faults.append(Fault("/from", "give the sender with --from"))
        if not content:
            faults.append(Fault("/text", "give --text, --html or --attach"))
        subject = decode(os.fsencode(options.subject), "--subject")
        fields = {"from": options.sender, "subject": subject, **content, **_envelope(options)}
        fields |= _labels(options, faults)
        return cls(fields, sum(len(str(value)) for value in fields.values()), tuple(faults))

    def require(self, faults: list[Fault]) -> None:
        """Refuse to send with faults of its own, or with these. Raises: ValidationFailed with all."""
        if self.faults or faults:
            raise ValidationFailed([*self.faults, *faults])

    def to(self, recipients: list[str]) -> dict[str, Any]:
        """The body for one email to all of these."""
        return self.fields | {"to": recipients}

    def batches(self, recipients: list[str]) -> Iterator[list[dict[str, Any]]]:
        """The bodies for one email to each, so many at a time that a request stays small."""
        size = max(1, min(BATCH, _BATCH_BYTES // max(1, self.size_bytes)))
        for start in range(0, len(recipients), size):
            yield [self.to([recipient]) for recipient in recipients[start : start + size]]


def _content(options: Options) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if options.text is not None:
        piped = options.text == "-"
        raw, place = (sys.stdin.buffer.read(), "standard input") if piped else (os.fsencode(options.text), "--text")
        fields["text"] = decode(raw, place)
    if options.html is not None:
        fields["html"] = decode(options.html.read_bytes(), str(options.html))
    if options.attach:
        fields["attachments"] = [_attachment(file) for file in options.attach]
    return fields


def decode(raw: bytes, place: str) -> str:
    """The text of a file, whatever the terminal's language. Raises: Refused where it is not UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Refused(f"{place}, line {line}: this is not UTF-8; `iconv -f latin1 -t utf-8` makes it so") from None


def _envelope(options: Options) -> dict[str, Any]:
    """What the API checks by itself, and names as the options do."""
    lists = {"cc": options.cc, "bcc": options.bcc, "reply_to": options.reply_to}
    words = {"scheduled_at": options.scheduled_at, "expires_at": options.expires_at, "on_limit": options.on_limit}
    return {name: list(several) for name, several in lists.items() if several} | {
        name: str(word) for name, word in words.items() if word is not None
    }


def _labels(options: Options, faults: list[Fault]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    headers = [_read("header", _read_header, one, faults) for one in options.headers]
    tags = [_read("tag", read_tag, one, faults) for one in options.tags]
    names = [one[0].lower() for one in headers if one is not None]
    faults += [Fault("/header", f"{name} is given twice") for name in sorted({n for n in names if names.count(n) > 1})]
    if headers:
        fields["headers"] = dict(one for one in headers if one is not None)
    if tags:
        fields["tags"] = tags
    if options.metadata is not None:
        fields["metadata"] = _read("metadata", read_metadata, options.metadata, faults)
    return fields


def _read(name: str, read: Callable[[str], T], text: str, faults: list[Fault]) -> T | None:
    try:
        return read(text)
    except ValueError as error:
        faults.append(Fault(f"/{name}", f"{text[:80]!r} {error}"))
        return None


def _read_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError("is no header: write it as 'X-Entity: 7'")
    return name.strip(), value.strip()


def _attachment(file: Path) -> dict[str, str]:
    content = base64.b64encode(file.read_bytes()).decode()
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return {"filename": file.name, "content": content, "content_type": kind}
