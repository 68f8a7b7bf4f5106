"""What of the settings cannot work, told in a line each before anything starts.

No line repeats what was given where that may hold a password.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile

import typer

from hourpost.cli.database_faults import of_database
from hourpost.embedded.doors import closed_ports
from hourpost.gateways.dns import name_server
from hourpost.gateways.encryption import Cipher
from hourpost.gateways.relays import RelayUrlInvalid, parse_relays
from hourpost.gateways.relays.login import tls_context
from hourpost.rules.addresses import AddressError, parse_address
from hourpost.settings import Settings

_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")

Look = Callable[[Settings], Iterator[str]]


def list_faults(settings: Settings, *looks: Look) -> list[str]:
    """Every fault that the ``looks`` find, each with the variable to correct."""
    return [fault for look in looks for fault in look(settings)]


def refuse_faults(settings: Settings, *looks: Look) -> None:
    """For a part by itself. Raises: typer.BadParameter with every fault."""
    faults = list_faults(settings, *looks)
    if faults:
        raise typer.BadParameter("; ".join(faults))


def of_every_part(settings: Settings) -> Iterator[str]:
    """Of what each part reads."""
    yield from of_names(settings)
    yield from of_database(settings)
    if settings.secret_key is not None:
        try:
            Cipher.from_settings(settings)
        except ValueError as error:
            yield str(error)
    for server in settings.dns_servers.split():
        try:
            name_server(server)
        except ValueError:
            yield f"HOURPOST_DNS_SERVERS: {server!r} is not an address such as 192.0.2.1 or 192.0.2.1:5353"


def of_secret_key(settings: Settings) -> Iterator[str]:
    """Of a part by itself, for which nobody makes a key as `hourpost up` does."""
    if settings.secret_key is None:
        yield "HOURPOST_SECRET_KEY is not set: all parts need the same, such as `openssl rand -hex 32` prints once"


def of_names(settings: Settings) -> Iterator[str]:
    """Of what says where we are, who we are and whom we believe: what nothing else has to be asked about."""
    yield from _of_addresses(settings)
    yield from _of_people(settings)
    yield from _of_proxies(settings.trusted_proxies)


def _of_people(settings: Settings) -> Iterator[str]:
    if settings.system_sender is not None:
        try:
            parse_address(settings.system_sender)
        except AddressError as error:
            yield f"HOURPOST_SYSTEM_SENDER: {error}; write it as Name <user@domain>"
    if settings.contact is not None and not settings.contact.startswith(("https://", "http://")):
        try:
            parse_address(settings.contact)
        except AddressError as error:
            yield f"HOURPOST_CONTACT: {error}; write an address, or a page that begins with https://"


def _of_addresses(settings: Settings) -> Iterator[str]:
    yield from _of_host(settings.host)
    if not _HOSTNAME.fullmatch(settings.hostname):
        yield f"HOURPOST_HOSTNAME: {settings.hostname!r} is not a host name such as mail.example.com"
    if settings.base_url is not None and not settings.base_url.startswith(("http://", "https://")):
        yield f"HOURPOST_BASE_URL: {settings.base_url!r} must begin with https:// or http://"
    for name in ("redis_url", "broker_url"):
        secret = getattr(settings, name)
        if secret is not None and not secret.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            yield f"HOURPOST_{name.upper()} must look like redis://user:password@host:6379/0"


def _of_proxies(proxies: str) -> Iterator[str]:
    """Whether each means something to the web server, which takes addresses and networks, or ``*`` alone."""
    for one in () if proxies in ("", "*") else proxies.split(","):
        if not one.strip():
            continue
        try:
            ipaddress.ip_network(one.strip())
        except ValueError:
            yield (
                f"HOURPOST_TRUSTED_PROXIES: {one.strip()!r} is no address such as 192.0.2.1, nor a network such as"
                " 192.0.2.0/24; * alone is everybody"
            )


def _of_host(host: str) -> Iterator[str]:
    """Whether ports can be opened there at all, whichever they are."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listening:
            listening.bind(address)
    except (OSError, UnicodeError):
        yield (
            f"HOURPOST_HOST: {host!r} is no address of this machine, nor a name that leads to one;"
            " 127.0.0.1 listens to this machine alone, 0.0.0.0 to all others too"
        )


def of_relays(settings: Settings) -> Iterator[str]:
    """Of what a worker sends through."""
    try:
        for relay in parse_relays(settings.relays.get_secret_value()):
            tls_context(relay)
    except RelayUrlInvalid as error:
        yield f"HOURPOST_RELAYS: {error}"


def of_a_worker(settings: Settings) -> Iterator[str]:
    """Of what a worker needs; `hourpost up` has a relay of its own for one that is told of none."""
    if not settings.relays.get_secret_value().strip():
        yield "HOURPOST_RELAYS is not set: a worker needs a relay to send through, such as smtp://USER:PASSWORD@HOST:587"
    yield from of_relays(settings)


def of_ports(*doors: str) -> Look:
    """Of where a part listens."""
    return lambda settings: iter(closed_ports(settings, doors))


def of_home(settings: Settings) -> Iterator[str]:
    """Of where we write; it is made where there is none."""
    home = settings.home.resolve()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=home):
            pass
    except OSError as error:
        yield f"HOURPOST_HOME: {home} cannot be written: {error.strerror}"


def of_certificate(settings: Settings) -> Iterator[str]:
    """Of what a mail door shows."""
    if settings.tls_certificate is None:
        if settings.tls_key is not None:
            yield "HOURPOST_TLS_KEY is set, but HOURPOST_TLS_CERTIFICATE is not"
        return
    if settings.tls_key is None:
        yield "HOURPOST_TLS_CERTIFICATE is set, but HOURPOST_TLS_KEY is not"
        return
    named = (("CERTIFICATE", settings.tls_certificate), ("KEY", settings.tls_key))
    closed = [f"HOURPOST_TLS_{name}: {reason}" for name, path in named if (reason := _why_closed(path))]
    yield from closed
    if closed:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key)
    except OSError as error:  # ssl.SSLError is one
        yield f"HOURPOST_TLS_CERTIFICATE and HOURPOST_TLS_KEY cannot be used together: {error}"


def _why_closed(path: Path) -> str | None:
    """Why a file cannot be read, without opening it."""
    if not os.path.isfile(path):  # Path.is_file raises where the folder may not be entered
        return f"there is no file {path}, or its folder is closed to us"
    return None if os.access(path, os.R_OK) else f"{path} may not be read by the user that we run as"
