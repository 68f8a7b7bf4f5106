"""Bodies: read in bounded size, parsed once, and every fault found."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from api.web.faults import faults_in
from api.web.parameters import beside_the_query
from hourpost.errors import Fault, MessageTooLarge, ValidationFailed
from hourpost.rules.submission import MAX_MESSAGE_BYTES

T = TypeVar("T")

Extra = Literal["ignore", "forbid"]

# A message of the largest size in base64, and what stands around it
MAX_BODY_BYTES = (MAX_MESSAGE_BYTES + 1024 * 1024) * 4 // 3 + 1024 * 1024


async def read_body(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """The body. Raises: MessageTooLarge as soon as it is larger than ``most`` bytes, ClientDisconnect."""
    chunks: list[bytes] = []
    size = 0
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large()
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise _too_large()
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_json(raw: bytes) -> Any:
    """The value that the body holds. Raises: ValidationFailed."""
    if not raw.strip():
        raise ValidationFailed([Fault("", "the body is empty; it must be JSON")])
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ValidationFailed([Fault("", f"the body is not valid JSON: {error}")]) from None


async def read_fields(request: Request, adapter: TypeAdapter[T]) -> T:
    """The body as ``adapter`` has it. Raises: ValidationFailed with all faults, MessageTooLarge."""
    raw = await read_body(request)
    with beside_the_query(request):
        body = parse_json(raw)
        try:
            return adapter.validate_python(body, extra=extra_for(request))
        except ValidationError as error:
            raise ValidationFailed(faults_in(error, body)) from None


def extra_for(request: Request) -> Extra:
    """What becomes of unknown fields: an error under /v1, ignored at the root, where clients of others come."""
    return "forbid" if request.scope["path"].startswith("/v1/") else "ignore"


def _too_large() -> MessageTooLarge:
    return MessageTooLarge(f"The request is larger than {MAX_BODY_BYTES} bytes; an email may have 40 MB once encoded.")
