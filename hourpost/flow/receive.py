"""Receive: a message that came from outside is judged, marked and kept."""

from __future__ import annotations

from dataclasses import dataclass

from hourpost.errors import ServiceUnavailable
from hourpost.flow.keep import Incoming, Keeper
from hourpost.gateways import metrics
from hourpost.gateways.authentication import Authenticates, Received
from hourpost.gateways.clock import Clock
from hourpost.inbound.addressees import PREFIX, Addressee
from hourpost.rules.authentication import Authentication, write_results
from hourpost.rules.bounces import read_report
from hourpost.rules.ids import new_id, to_text
from hourpost.rules.incoming import Hop, below_trace, read_incoming, without_forged_results, write_trace


@dataclass(frozen=True, slots=True)
class Envelope:
    """What was said before the message came; ``sender`` is empty for the null sender."""

    hop: Hop
    sender: str
    addressees: tuple[Addressee, ...]


class Receiver:
    """The door's one way in. One per process and event loop.

    ``postmaster`` is whose mailbox gets what is for one that nobody has; when empty an operator's.
    """

    def __init__(
        self, keeper: Keeper, authenticator: Authenticates, clock: Clock, hostname: str, postmaster: str = ""
    ) -> None:
        self._keeper = keeper
        self._authenticator = authenticator
        self._clock = clock
        self._hostname = hostname
        self._postmaster = postmaster

    async def find(self, address: str) -> Addressee | None:
        """Whom an address is for; None where it is of no verified domain. Raises: ServiceUnavailable."""
        return await self._keeper.find(address)

    async def find_postmaster(self, address: str, *, is_hosted: bool) -> Addressee | None:
        """Who reads what is for a postmaster, ours or of a hosted domain, that has no mailbox (RFC 5321 §4.5.1).

        None for all other addresses, and for a hosted domain's while there is no operator.

        Raises:
            ServiceUnavailable: also for ours while there is no operator: its sender tries again for days.
        """
        local, _, domain = address.lower().rpartition("@")
        if local != "postmaster" or not (is_hosted or domain == self._hostname.lower()):
            return None
        found = await self._keeper.find_postmaster(self._postmaster)
        if found is None and not is_hosted:
            raise ServiceUnavailable("Nobody reads what is for the postmaster here yet.", retry_after_seconds=3600)
        return found

    async def receive(self, envelope: Envelope, raw: bytes) -> str:
        """Store a message for all its addressees or for none; gives its id. When this returns, it is committed.

        Raises:
            ContentError: its form, or a loop.
            Forbidden: a report for an address without a mailbox that is not about mail of ours.
            MailboxFull: one of the mailboxes; nothing was stored.
            ServiceUnavailable: whether it was stored is then not known.
        """
        header = read_incoming(raw)
        received = Received(
            envelope.hop.client_address, envelope.hop.client_name, envelope.sender, header.from_domains, raw
        )
        found = await self._authenticator.authenticate(received)
        _count(found)
        incoming_id = new_id()
        text_id = to_text(PREFIX, incoming_id)
        only = envelope.addressees[0].address if len(envelope.addressees) == 1 else ""
        trace = write_trace(envelope.hop, self._hostname, text_id, envelope.sender, self._clock.now(), only)
        clean = below_trace(without_forged_results(raw, header, self._hostname), header)
        content = trace + write_results(self._hostname, found) + clean
        report = read_report(raw, header, is_null_sender=not envelope.sender)
        incoming = Incoming(incoming_id, envelope.sender, envelope.addressees, header, content, found, report)
        await self._keeper.keep(incoming)
        metrics.INBOUND_MESSAGES.labels("junk" if incoming.is_junk else "report" if report else "message").inc()
        return text_id


def _count(found: Authentication) -> None:
    metrics.INBOUND_CHECKS.labels("spf", found.spf.result).inc()
    metrics.INBOUND_CHECKS.labels("dmarc", found.dmarc.result).inc()
    for one in found.signatures:
        metrics.INBOUND_CHECKS.labels("dkim", one.result).inc()
