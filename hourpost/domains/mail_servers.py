"""Where mail programs reach us: one name, and a port for each protocol, the secure ones first."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from hourpost.domains.queries import Status
from hourpost.domains.records import DnsRecord
from hourpost.gateways.dns import Dns, Server, ServerKind
from hourpost.settings import Settings


@dataclass(frozen=True, slots=True)
class MailServers:
    """The mail doors as they are seen from outside; ``web_host`` and ``web_port`` are of the web part."""

    host: str
    imaps: int
    imap: int
    pop3s: int
    pop3: int
    submissions: int
    submission: int
    web_host: str
    web_port: int


def mail_servers(settings: Settings) -> MailServers:
    """The usual ports, which stand before our own on a real machine; our own where everything runs for one person."""
    web = urlsplit(settings.public_url)
    web_host = web.hostname or settings.host
    host = settings.hostname if settings.hostname != "localhost" else web_host
    web_port = web.port or (80 if web.scheme == "http" else 443)
    if not settings.embedded:
        return MailServers(host, 993, 143, 995, 110, 465, 587, web_host, web_port)
    return MailServers(
        host,
        settings.imaps_port,
        settings.imap_port,
        settings.pop3s_port,
        settings.pop3_port,
        settings.submissions_port,
        settings.submission_port,
        web_host,
        web_port,
    )


# A client that knows several takes the least priority first (RFC 6186 §4, RFC 8314 §5.1): TLS, then STARTTLS, then POP.
_SERVICES = (
    ("_imaps._tcp", "imaps", 0),
    ("_submissions._tcp", "submissions", 0),
    ("_imap._tcp", "imap", 10),
    ("_submission._tcp", "submission", 10),
    ("_pop3s._tcp", "pop3s", 20),
    ("_pop3._tcp", "pop3", 30),
)


_WEB_PORTS = (80, 443)  # where a program asks that knows nothing but the name


def list_mail_records(domain: str, servers: MailServers, seen: Collection[str] | None = None) -> list[DnsRecord]:
    """What the owner of a domain publishes to have mailboxes there: where mail goes, and how programs find us.

    ``seen`` are the names that point to us in DNS; None where nobody has looked.
    """
    records = [DnsRecord("Receiving", domain, "MX", servers.host, NOT_CHECKED, priority=10)]
    records += [
        DnsRecord(
            "Client",
            f"{name}.{domain}",
            "SRV",
            f"1 {getattr(servers, field)} {servers.host}",
            NOT_CHECKED,
            priority=priority,
        )
        for name, field, priority in _SERVICES
    ]
    found = f"0 {servers.web_port} {servers.web_host}"
    records.append(DnsRecord("Client", f"_autodiscover._tcp.{domain}", "SRV", found, NOT_CHECKED, priority=0))
    if servers.web_port in _WEB_PORTS:  # Thunderbird asks there, and looks at no SRV record
        records.append(DnsRecord("Client", f"autoconfig.{domain}", "CNAME", servers.web_host, NOT_CHECKED))
    if seen is None:
        return records
    return [replace(one, status=Status.VERIFIED if one.name in seen else Status.PENDING) for one in records]


async def find_mail_records(domain: str, servers: MailServers, dns: Dns) -> tuple[str, ...]:
    """The names of those records that point to us. Raises: DnsUnavailable."""
    records = list_mail_records(domain, servers)
    found = await asyncio.gather(*(dns.find_servers(one.name, _KINDS[one.type]) for one in records))
    return tuple(one.name for one, hosts in zip(records, found, strict=True) if _server_of(one) in hosts)


def _server_of(record: DnsRecord) -> Server:
    if record.type == "CNAME":
        return record.value.lower(), 0
    *_, port, host = ("25", *record.value.lower().split())
    return host, int(port)


_KINDS: dict[str, ServerKind] = {"MX": "MX", "SRV": "SRV", "CNAME": "CNAME"}


NOT_CHECKED = "not_checked"
"""The status of a record that nobody has looked up, and that nothing of ours depends on."""
