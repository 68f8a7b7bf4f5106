"""The cases of the table: what each one sends, and what it finds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from bench.expectations import MAILBOXES, Finding
from bench.far_end import FarEnd
from bench.inbound_load import Arrivals, InboundLoad, add_mailboxes, count_messages
from bench.instance import Instance
from bench.letters import Batches, Messages, Sender, Singles
from bench.mailboxes import measure as measure_mailboxes
from bench.measure import MOST_EMAILS, Measured, Stage, fresh_run
from bench.memory import held_megabytes
from bench.pages import time_pages
from bench.peer import Postfix
from bench.prefill import add_accounts, add_waiting, unsign
from bench.sessions import weigh

KB = 1024
LIMIT = 10_000_000
_SETTLE_SECONDS = 3.0
_WARM_REQUESTS = 2000
_TURNS = 3
_LATENCY_TURN = 2.5  # times as long as others; in one of 8 s the slowest hundredth are five moments


@dataclass(slots=True)
class Bench:
    """The running system, who sends, and what has been found so far."""

    instance: Instance
    far_end: FarEnd
    seconds: float
    findings: dict[str, Finding]
    plain: Sender
    signed: Sender
    peer: Postfix | None = None
    peer_rates: dict[int, float] = field(default_factory=dict)  # of this round, by size

    @property
    def stage(self) -> Stage:
        """Where loads go in and out."""
        return Stage(self.instance, self.far_end, self.seconds)

    def note(self, name: str, value: float, measured: Measured | None = None) -> None:
        """Keeps a value, and what spoils it."""
        finding = self.findings[name]
        finding.values.append(value)
        if measured is not None and measured.fault:
            finding.faults.append(measured.fault)
        if measured is not None:
            finding.notes.append(
                f"accepted {measured.accept_rate:,.0f}/s, p50 {measured.p50_ms:.1f} ms, p99 {measured.p99_ms:.1f} ms, "
                f"{measured.emails:,} emails, {measured.sink_connections} connections to the relay"
            )

    async def beside_peer(self, name: str, size_bytes: int, measured: Measured) -> None:
        """Keeps a rate, beside the peer's rate of this round."""
        self.note(name, measured.rate, measured)
        if self.peer is not None:
            if size_bytes not in self.peer_rates:
                self.peer_rates[size_bytes] = await peer_rate(self.peer, self.far_end, size_bytes, self.seconds)
            self.findings[name].peer.append(self.peer_rates[size_bytes])


async def peer_rate(peer: Postfix, far_end: FarEnd, size_bytes: int, seconds: float) -> float:
    """What Postfix passes, end to end."""
    messages = int(seconds * (600 if size_bytes < 10 * KB else 400))
    await far_end.ask("reset")
    began_at = await asyncio.to_thread(peer.send, messages, size_bytes)
    stats = await far_end.wait_for(messages)
    if stats["recipients"] != messages:
        raise RuntimeError(f"Postfix delivered {stats['recipients']} of {messages}")
    return messages / float(stats["last_at"] - began_at)


async def single(bench: Bench) -> None:
    """One email a request."""
    measured = await bench.stage.http(Singles([bench.plain], 2 * KB, fresh_run()))
    await bench.beside_peer("single", 2 * KB, measured)


async def batch(bench: Bench) -> None:
    """A thousand emails a request."""
    measured = await bench.stage.http(Batches(bench.plain, 2 * KB, fresh_run()), connections=4)
    await bench.beside_peer("batch", 2 * KB, measured)


async def smtp(bench: Bench) -> None:
    """Submission of 2 KB."""
    measured = await bench.stage.smtp(bench.plain, Messages(bench.plain, 2 * KB, fresh_run()))
    await bench.beside_peer("smtp", 2 * KB, measured)


async def smtp50k(bench: Bench) -> None:
    """Submission of 50 KB."""
    measured = await bench.stage.smtp(bench.plain, Messages(bench.plain, 50 * KB, fresh_run()))
    await bench.beside_peer("smtp50k", 50 * KB, measured)


async def dkim(bench: Bench) -> None:
    """Single calls from a domain whose mail we sign."""
    measured = await bench.stage.http(Singles([bench.signed], 2 * KB, fresh_run()))
    await bench.beside_peer("dkim", 2 * KB, measured)


async def mailboxes(bench: Bench) -> None:
    """IMAP beside Dovecot, both in clear: a table of its own kind, on processes of its own."""
    await asyncio.to_thread(measure_mailboxes, bench.instance, bench.instance.home.parent, bench.findings, rounds=2)


async def latency(bench: Bench) -> None:
    """Accepting, saturated and at half of the rate that was carried then."""
    stage = replace(bench.stage, seconds=_LATENCY_TURN * bench.seconds)
    for _ in range(_TURNS):
        saturated = await stage.http(Singles([bench.plain], 2 * KB, fresh_run()))
        bench.note("saturated", saturated.p99_ms, saturated)
        half = await stage.http(Singles([bench.plain], 2 * KB, fresh_run()), rate=saturated.rate / 2)
        bench.note("half", half.p99_ms, half)


async def rtt50(bench: Bench) -> None:
    """A distant relay, in batches so that accepting is not what is measured."""
    await bench.far_end.ask("delay 50")
    try:
        measured = await bench.stage.http(Batches(bench.plain, 2 * KB, fresh_run()), connections=2)
    finally:
        await bench.far_end.ask("delay 0")
    bench.note("rtt50", measured.rate, measured)


async def slow200(bench: Bench) -> None:
    """A relay that takes its time for each message, over as many connections as it takes, from one worker process."""
    await bench.far_end.ask("hold 200")
    try:
        measured = await bench.stage.http(Batches(bench.plain, 2 * KB, fresh_run()), connections=2)
    finally:
        await bench.far_end.ask("hold 0")
    bench.note("slow200", measured.rate, measured)


async def port25(bench: Bench) -> None:
    """Mail of others into 20 mailboxes, stored before it is answered."""
    addresses = await add_mailboxes(bench.instance.database_url, "plain.test", 20)
    load = InboundLoad(bench.instance.ports["SMTP"], Arrivals(addresses, 2 * KB, fresh_run()))
    tally = await load.run(bench.seconds, MOST_EMAILS)
    stored = await count_messages(bench.instance.database_url, addresses)
    finding = bench.findings["port25"]
    finding.values.append(tally.accept_rate)
    if tally.refused or stored < tally.emails:
        finding.faults.append(f"{stored} of {tally.emails} stored, {tally.refused} refused: {tally.first_refusal}")
    p50, p99 = tally.percentile_ms(50), tally.percentile_ms(99)
    finding.notes.append(f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {tally.emails:,} messages into 20 mailboxes")


async def accounts(bench: Bench) -> None:
    """The same load from many accounts."""
    few = await add_accounts(bench.instance.database_url, 10, LIMIT)
    many = await add_accounts(bench.instance.database_url, 10_000, LIMIT)
    for _ in range(_TURNS):  # in turn, because the machine is not as fast in one minute as in the next
        little, much = await _rate_of(bench, few), await _rate_of(bench, many)
        bench.note("accounts", much.rate / little.rate, much)
        bench.findings["accounts"].notes.append(f"{little.rate:,.0f} msg/s with 10, {much.rate:,.0f} with 10,000")


async def backlog(bench: Bench) -> None:
    """The same load while few and while many emails of others wait: on an instance each, in turn as with accounts."""
    with ExitStack() as stack:
        few, many = await _while_waiting(bench, stack, 10_000), await _while_waiting(bench, stack, 1_000_000)
        for _ in range(_TURNS):
            little, much = await _rate_of(few, [few.plain]), await _rate_of(many, [many.plain])
            bench.note("backlog", much.rate / little.rate, much)
            told = f"{little.rate:,.0f} msg/s with 10,000 waiting, {much.rate:,.0f} with 1,000,000"
            bench.findings["backlog"].notes.append(told)


async def _while_waiting(bench: Bench, stack: ExitStack, count: int) -> Bench:
    """A second instance, on which ``count`` emails of others wait; ``stack`` ends it."""
    home = bench.instance.home.parent / f"waiting-{count}" / "home"
    home.mkdir(parents=True)
    instance = Instance(home, bench.far_end.relay_url())
    stack.callback(instance.stop)
    await asyncio.to_thread(instance.start)
    _, plain = await asyncio.to_thread(instance.enroll, "plain", LIMIT)
    await unsign(instance.database_url, "plain.test")
    await add_waiting(instance.database_url, count)
    return replace(bench, instance=instance, plain=plain)


async def pages(bench: Bench) -> None:
    """Every page of the dashboard, over a million emails; the slowest counts."""
    times = sorted((await time_pages(bench.instance)).items(), key=lambda pair: -pair[1])
    bench.note("pages", times[0][1])
    bench.findings["pages"].notes.append(", ".join(f"{name} {taken:.0f}" for name, taken in times) + " ms")


async def memory(bench: Bench) -> None:
    """What all processes hold when nothing is going on."""
    await asyncio.sleep(_SETTLE_SECONDS)
    family = [bench.instance.supervisor, *bench.instance.processes()]
    bench.note("memory", held_megabytes(family))
    parts = sorted(((held_megabytes([one]), one) for one in family), key=lambda pair: -pair[0])
    told = ", ".join(f"{_title(process.cmdline())} {size:.0f}" for size, process in parts if size >= 8)
    bench.findings["memory"].notes.append(f"{len(family)} processes; {told}")


async def sessions(bench: Bench) -> None:
    """A thousand sessions that are logged in and wait."""
    kibibytes, seconds = await weigh(bench.instance, bench.plain)
    bench.note("sessions", kibibytes)
    bench.findings["sessions"].notes.append(f"half by STARTTLS; one more logs in within {seconds * 1000:.0f} ms")


async def start(bench: Bench) -> None:
    """Stop, and start again on the same home."""
    await asyncio.to_thread(bench.instance.stop)
    bench.note("start", await asyncio.to_thread(bench.instance.start))


async def _rate_of(bench: Bench, senders: Sequence[Sender]) -> Measured:
    # Each sender once, so that no bucket has to be filled while we measure.
    await bench.stage.warm_up(Singles(list(senders), 2 * KB, fresh_run()), max(len(senders), _WARM_REQUESTS))
    return await bench.stage.http(Singles(list(senders), 2 * KB, fresh_run()))


def _title(words: Sequence[str]) -> str:
    # A process that names itself leaves empty words behind its title.
    return " ".join(word.rpartition("/")[2] for word in [word for word in words if word][-3:])[:40]


Case = Callable[[Bench], Awaitable[None]]

ALONE: dict[str, Case] = {"start": start, "memory": memory}  # first, while nothing has run
IN_ROUNDS: dict[str, Case] = {"single": single, "batch": batch, "smtp": smtp, "dkim": dkim, "smtp50k": smtp50k}
ONCE: dict[str, Case] = {
    "port25": port25,
    "mailboxes": mailboxes,
    "latency": latency,
    "sessions": sessions,
    "accounts": accounts,
    "pages": pages,  # from here on with a million emails
    "backlog": backlog,
    "rtt50": rtt50,
    "slow200": slow200,
}
FINDS = {"latency": ("saturated", "half"), "mailboxes": tuple(one.name for one in MAILBOXES)}
