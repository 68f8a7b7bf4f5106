"""Bodies: read in bounded size, parsed once, and every fault found."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal, TypeVar, cast

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from api.web.breadth import check_values
from api.web.faults import MOST_NAMED, faults_in, pointer_to
from api.web.parameters import beside_the_query
from hourpost.errors import Fault, MessageTooLarge, ValidationFailed
from hourpost.rules.submission import MAX_MESSAGE_BYTES

T = TypeVar("T")

_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip, zstd
_MARK = "\ufdd0"  # means nothing in any text
_MARK_FAULTS = "hourpost.mark"
_MOST_MARKED = 10_000
_HALF = re.compile("[\ud800-\udfff]")
codecs.register_error(_MARK_FAULTS, lambda error: (_MARK, cast(UnicodeDecodeError, error).end))

Extra = Literal["ignore", "forbid"]

# A message of the largest size in base64, and what stands around it
MAX_BODY_BYTES = (MAX_MESSAGE_BYTES + 1024 * 1024) * 4 // 3 + 1024 * 1024
# Of what is no email: a thousand addresses, or a text of the largest size
_MAX_FIELDS_BYTES = 2 * 1024 * 1024


async def read_body(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """The body. Raises: MessageTooLarge as soon as it is larger than ``most`` bytes, ClientDisconnect."""
    chunks: list[bytes] = []
    size = 0
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(most)
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_json(raw: bytes) -> Any:
    """The value that the body holds; of a key that stands twice in one object, the last. Raises: ValidationFailed."""
    if not raw.strip():
        raise ValidationFailed([Fault("", "the body is empty; it must be JSON")])
    check_values(raw)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        faults = _faults_of_encoding(raw) or _faults_of_halves(raw)
        raise ValidationFailed(faults or [Fault("", f"the body is not valid JSON: {error}")]) from None


def _faults_of_encoding(raw: bytes) -> list[Fault]:
    """The fields that are not UTF-8, or where the first such byte stands; empty where all of it is."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        words = f"the body is not valid UTF-8: 0x{raw[error.start]:02X} at byte {error.start}"
        if raw.startswith(_COMPRESSED):
            words = "the body is compressed; send it as it is"
    else:
        return []
    if raw.decode(errors="replace").count("\ufffd") > _MOST_MARKED:  # each is marked by a call
        return [Fault("", words)]
    try:
        marked = orjson.loads(raw.decode(errors=_MARK_FAULTS))
    except orjson.JSONDecodeError:
        return [Fault("", words)]
    found = (
        Fault(pointer_to(place), f"`{place[-1]}` is not valid UTF-8")
        for place, value in _values_in(marked)
        if place and isinstance(value, str) and _MARK in value
    )
    return list(islice(found, MOST_NAMED)) or [Fault("", words)]


def _faults_of_halves(raw: bytes) -> list[Fault]:
    """The fields with half of a character: JSON's grammar knows ``\\ud83d`` alone, Unicode does not (RFC 8259 §8.2).

    So text ends that was cut within an emoji, as JavaScript writes it.
    """
    try:
        body = json.loads(raw, parse_int=str) if b"\\u" in raw else None
    except (ValueError, RecursionError):
        return []
    found = (
        Fault(pointer_to(place), f"`{place[-1]}` has half of a character: \\ud800 to \\udfff stand in pairs")
        for place, value in _values_in(body)
        if isinstance(value, str) and _HALF.search(value) and not _HALF.search("".join(map(str, place))) and place
    )
    return list(islice(found, MOST_NAMED))


def _values_in(body: Any) -> Iterator[tuple[Sequence[str | int], Any]]:
    """Every value with its place, which is good until the next; however deep they lie."""
    place: list[str | int] = []
    opened = [_steps_of(body)]
    yield place, body
    while opened:
        step, value = next(opened[-1], (None, None))
        if step is None:
            opened.pop()
            place[-1:] = ()
            continue
        place.append(step)
        yield place, value
        opened.append(_steps_of(value))


def _steps_of(value: Any) -> Iterator[tuple[str | int, Any]]:
    return iter(value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()))


class _Doubled(dict[str, Any]):
    """An object in which keys stand twice."""

    keys_twice: Sequence[str] = ()


def faults_of_keys(raw: bytes) -> list[Fault]:
    """The keys that stand twice in one object, of which nobody knows which was meant (RFC 8259 §4).

    For JSON that ``parse_json`` has read. Sending does without: this takes a fifth of the time that an email does.
    """
    found: list[_Doubled] = []

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        once = dict(pairs)
        if len(once) == len(pairs):
            return once
        found.append(_Doubled(once))
        found[-1].keys_twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
        return found[-1]

    try:
        body = json.loads(raw, object_pairs_hook=read, parse_int=str)  # an int of thousands of digits takes long
    except RecursionError:  # no fields of ours lie so deep
        return []
    doubled = (
        Fault(pointer_to([*place, key]), f"`{'.'.join(map(str, [*place, key]))}` stands twice in the same object")
        for place, value in (_values_in(body) if found else ())
        if isinstance(value, _Doubled)
        for key in value.keys_twice
    )
    return list(islice(doubled, MOST_NAMED))


async def read_small_body(request: Request) -> bytes:
    """The body of a request that carries no mail. Raises: MessageTooLarge, ClientDisconnect."""
    return await read_body(request, _MAX_FIELDS_BYTES)


async def read_fields(request: Request, adapter: TypeAdapter[T]) -> T:
    """The body as ``adapter`` has it. Raises: ValidationFailed with all faults, MessageTooLarge."""
    raw = await read_small_body(request)
    with beside_the_query(request):
        body = parse_json(raw)
        faults = faults_of_keys(raw)
        try:
            fields = adapter.validate_python(body, extra=extra_for(request))
        except ValidationError as error:
            raise ValidationFailed(faults + faults_in(error, body)) from None
        if faults:
            raise ValidationFailed(faults)
        return fields


def extra_for(request: Request) -> Extra:
    """What becomes of unknown fields: an error under /v1, ignored at the root, where clients of others come."""
    return "forbid" if request.scope["path"].startswith("/v1/") else "ignore"


def _too_large(most: int) -> MessageTooLarge:
    about = "; an email may have 40 MB once encoded, and a batch as much in all" if most == MAX_BODY_BYTES else ""
    return MessageTooLarge(f"The request is larger than {most} bytes{about}.")
