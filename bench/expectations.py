"""What each figure must reach and what it aims at, and the verdict on what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from statistics import median


class Kind(Enum):
    """How a figure is judged: against the peer's, or against a number that it must reach or must not pass."""

    RATIO = "x"
    AT_LEAST = ">="
    AT_MOST = "<="


@dataclass(frozen=True, slots=True)
class Expectation:
    """One line of the table."""

    name: str
    title: str
    kind: Kind
    must: float
    aim: float
    unit: str = "msg/s"


# A mailbox of 1,000 messages of 7 KB, TLS off on both sides; times as how often they go into a second.
MAILBOXES = (
    Expectation("select", "SELECT, 1,000 messages", Kind.RATIO, 1, 1.5, "/s"),
    Expectation("status", "STATUS", Kind.RATIO, 1, 1.5, "/s"),
    Expectation("flags", "FETCH FLAGS of all", Kind.RATIO, 0.25, 0.5, "/s"),
    Expectation("envelope", "FETCH ENVELOPE, size and date of all", Kind.RATIO, 1, 1.5, "/s"),
    Expectation("structure", "FETCH BODYSTRUCTURE of all", Kind.RATIO, 0.5, 1, "/s"),
    Expectation("bodies", "FETCH bodies of all", Kind.RATIO, 0.8, 1, "msg/s"),
    Expectation("append1", "APPEND, one connection, durable", Kind.RATIO, 0.7, 1, "msg/s"),
    Expectation("append8", "APPEND, eight connections, durable", Kind.RATIO, 0.7, 1, "msg/s"),
    Expectation("expunge", "EXPUNGE of 500", Kind.RATIO, 1, 2, "/s"),
    Expectation("push", "APPEND seen by IDLE on another process", Kind.RATIO, 1, 2, "/s"),
    Expectation("tell", "flag or move seen by IDLE elsewhere, slowest of 20", Kind.AT_MOST, 1000, 200, "ms"),
    Expectation("logins", "log-ins with an app password", Kind.RATIO, 3, 5, "/s"),
    Expectation("pop3", "POP3 RETR of all, pipelined", Kind.RATIO, 0.5, 0.8, "msg/s"),
    Expectation("flat", "SELECT and STATUS of 100,000, of 1,000", Kind.AT_MOST, 1.5, 1.1, "x"),
    Expectation("idle", "memory of an idle TLS connection of 5,000", Kind.AT_MOST, 45, 40, "KiB"),
)

EXPECTATIONS = (
    Expectation("single", "single POST /v1/emails, 64 connections", Kind.RATIO, 2, 3),
    Expectation("batch", "batches of 1,000", Kind.RATIO, 6, 10),
    Expectation("smtp", "SMTP submission, 32 sessions, TLS", Kind.RATIO, 2.5, 4),
    Expectation("smtp50k", "SMTP submission, 50 KB", Kind.RATIO, 1.3, 2),
    Expectation("dkim", "single calls, signed with RSA-2048", Kind.RATIO, 1.3, 2),
    Expectation("port25", "port 25 into mailboxes, 32 sessions", Kind.AT_LEAST, 500, 1000),
    Expectation("rtt50", "relay with 50 ms a round trip, 200 connections", Kind.AT_LEAST, 1500, 3500),
    Expectation("slow200", "relay that needs 200 ms a message, one worker", Kind.AT_LEAST, 1000, 1200),
    Expectation("saturated", "accept p99, 64 connections, saturated", Kind.AT_MOST, 50, 20, "ms"),
    Expectation("half", "accept p99 at half of that load", Kind.AT_MOST, 20, 8, "ms"),
    Expectation("backlog", "1,000,000 waiting, of the rate with 10,000", Kind.AT_LEAST, 0.9, 1.0, "x"),
    Expectation("accounts", "10,000 accounts, of the rate with 10", Kind.AT_LEAST, 0.9, 1.0, "x"),
    Expectation("pages", "slowest page, 1,000,000 emails, median of 7", Kind.AT_MOST, 100, 50, "ms"),
    Expectation("sessions", "memory of an idle SMTP session under TLS, of 1,000", Kind.AT_MOST, 60, 35, "KiB"),
    Expectation("memory", "memory of all processes at rest", Kind.AT_MOST, 400, 250, "MB"),
    Expectation("start", "cold start, second run, to ready", Kind.AT_MOST, 5, 2, "s"),
    *MAILBOXES,
)


@dataclass(slots=True)
class Finding:
    """What was found for an expectation, a value for each round; ``peer`` beside it, ``faults`` make it worthless."""

    expectation: Expectation
    values: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def value(self) -> float | None:
        """The median of the rounds."""
        return median(self.values) if self.values else None

    @property
    def ratio(self) -> float | None:
        """The median of what each round was to the peer's in the same round."""
        pairs = [mine / theirs for mine, theirs in zip(self.values, self.peer, strict=False) if theirs]
        return median(pairs) if pairs else None

    @property
    def verdict(self) -> str:
        """One of ``lost``, ``no peer``, ``-``, ``below``, ``must``, ``aim``."""
        wanted = self.expectation
        if self.faults:
            return "lost"
        judged = self.ratio if wanted.kind is Kind.RATIO else self.value
        if judged is None:
            return "no peer" if self.values else "-"
        sign = -1 if wanted.kind is Kind.AT_MOST else 1
        if sign * judged < sign * wanted.must:
            return "below"
        return "aim" if sign * judged >= sign * wanted.aim else "must"
