"""Requests without a body: what one holds nevertheless would be dropped in silence, so it is named."""

from __future__ import annotations

from starlette.requests import Request

from api.web.bodies import parse_json, read_body
from api.web.faults import pointer_to
from hourpost.errors import Fault, ValidationFailed

_MOST_BYTES = 64 * 1024
_READS = ("GET", "HEAD")


async def no_fields(request: Request) -> None:
    """Refuse fields where a route takes none; clients may send an empty object.

    Raises: ValidationFailed, MessageTooLarge.
    """
    route = request.scope["route"]
    if request.method in _READS or "requestBody" in (route.openapi_extra or ()):
        return
    raw = await read_body(request, _MOST_BYTES)
    body = parse_json(raw) if raw.strip() else None
    if body is not None and not isinstance(body, dict):
        raise ValidationFailed([Fault("", "this takes no body")])
    if body:
        known = {one.alias for one in route.dependant.query_params}
        raise ValidationFailed([Fault(pointer_to((name,)), _words(name, known)) for name in body])


def _words(name: str, known: set[str]) -> str:
    place = f"it is a parameter: write `?{name}=` behind the address" if name in known else "this takes no body"
    return f"`{name[:60]}` is not a field here; {place}"
