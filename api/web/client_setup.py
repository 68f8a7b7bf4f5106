"""How mail programs set themselves up: Thunderbird's autoconfig, Outlook's autodiscover, Apple's profiles.

Nobody logs in for these, and the answers depend on the address's words only.
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query, Response
from starlette.requests import Request
from starlette.routing import Route

from api.web.dependencies import ThePartsOf
from api.web.parts import parts_of
from hourpost.domains.mail_servers import mail_servers
from hourpost.errors import Fault, ValidationFailed
from hourpost.mailboxes.client_setup import apple_profile, outlook_config, outlook_refusal, thunderbird_config
from hourpost.rules.addresses import AddressError, parse_address

router = APIRouter()

_MOST_BYTES = 64 * 1024
_ASKED_FOR = re.compile(rb"<EMailAddress>\s*([^<>\s]{3,320})\s*</EMailAddress>", re.IGNORECASE)
_XML = "application/xml"

Asked = Annotated[str | None, Query(alias="emailaddress", max_length=320)]


@router.get("/mail/config-v1.1.xml")
@router.get("/.well-known/autoconfig/mail/config-v1.1.xml")
async def configure_thunderbird(parts: ThePartsOf, address: Asked = None) -> Response:
    """Thunderbird, K-9, Evolution and others."""
    wanted = _address(address) if address else None
    return Response(thunderbird_config(wanted, mail_servers(parts.settings)), media_type=_XML)


@router.get("/mail/apple.mobileconfig")
async def configure_apple(
    parts: ThePartsOf, address: Annotated[str, Query(alias="emailaddress", max_length=320)]
) -> Response:
    """A profile to open on an iPhone, iPad or Mac."""
    wanted = _address(address)
    name = re.sub(r"[^A-Za-z0-9.@_-]", "_", wanted)
    headers = {"Content-Disposition": f'attachment; filename="{name}.mobileconfig"'}
    profile = apple_profile(wanted, mail_servers(parts.settings))
    return Response(profile, media_type="application/x-apple-aspen-config", headers=headers)


async def configure_outlook(request: Request) -> Response:
    """Outlook, which posts XML; only the address in it is looked at, and no parser sees the rest."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            break
    found = _ASKED_FOR.search(body[:_MOST_BYTES])
    try:
        address = parse_address(found[1].decode()).spec if found else None
    except (AddressError, UnicodeDecodeError):
        address = None
    if address is None:
        return Response(outlook_refusal(), media_type=_XML)
    return Response(outlook_config(address, mail_servers(parts_of(request).settings)), media_type=_XML)


def outlook_route() -> Route:
    """Its route: programs write the path in every case there is."""
    route = Route("/autodiscover/autodiscover.xml", configure_outlook, methods=["POST"], include_in_schema=False)
    route.path_regex = re.compile(r"^/autodiscover/autodiscover\.xml$", re.IGNORECASE)
    return route


def _address(text: str) -> str:
    try:
        return parse_address(text.strip()).spec
    except AddressError as error:
        raise ValidationFailed([Fault("/emailaddress", str(error))]) from None
