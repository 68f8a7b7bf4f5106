"""A real name server on loopback: UDP, the TXT and A records that a test sets, and the faults it asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class DnsServer(asyncio.DatagramProtocol):
    """Answers TXT questions from ``records``, A from ``addresses``, MX and SRV from ``servers`` (as in a zone file).

    A name in ``broken`` gets SERVFAIL, one in ``silent`` no answer.
    """

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self.addresses: dict[str, list[str]] = {}
        self.servers: dict[tuple[str, str], list[str]] = {}
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.questions: list[str] = []
        self.address = ""

    def publish(self, name: str, *texts: str) -> None:
        self.records[name] = list(texts)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        self.questions.append(name)
        if name not in self.silent:
            self._transport.sendto(self._answer(query, name).to_wire(max_size=4096), addr)

    def _answer(self, query: dns.message.Message, name: str) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if name in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif lines := self.servers.get((name, dns.rdatatype.to_text(query.question[0].rdtype))):
            kind = query.question[0].rdtype
            response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", kind, *lines))
        elif name not in self.records and name not in self.addresses:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif name in self.addresses and query.question[0].rdtype == dns.rdatatype.A:
            answer = dns.rrset.from_text(query.question[0].name, 60, "IN", "A", *self.addresses[name])
            response.answer.append(answer)
        elif self.records.get(name) and query.question[0].rdtype == dns.rdatatype.TXT:
            texts = [_quoted(text) for text in self.records[name]]
            response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "TXT", *texts))
        return response


def _quoted(text: str) -> str:
    """In strings of at most 255 bytes, as TXT records are."""
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))


@asynccontextmanager
async def run_dns_server() -> AsyncIterator[DnsServer]:
    """A name server on a free port."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(DnsServer, local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
