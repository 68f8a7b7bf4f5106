"""A lean SMTP relay that swallows mail: the far end of benchmarks, drills and relay tests.

It speaks AUTH, STARTTLS and PIPELINING, can be slow, can fail at every stage, and keeps a journal that is written
before it answers. Run it as ``python -m bench.sink --port 2599``; ``--help`` lists the rest.

A recipient can ask for a fault by its local part: ``bounce+550@``, ``defer+451@``, ``dot+554@`` (after the final dot),
``slow+1500@`` (milliseconds before that answer), ``drop-at-rcpt@``, ``drop-after-data@``, ``drop-before-answer@`` (not
taken), ``drop-after-dot@`` (taken, no answer), ``hang-at-rcpt@``, ``hang-after-dot@`` (taken, no answer). Anything may
follow after a further dot or plus: ``bounce+550.17@``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import re
import signal
import ssl
from typing import cast

import uvloop

from bench.sink_session import Session
from bench.sink_state import STAGES, Config, Fault, Ledger, Stats


class Sink:
    """The server: a ledger, and the sessions that write into it."""

    def __init__(self, config: Config, journal: str | None = None) -> None:
        self.config = config
        self.ledger = Ledger(config, journal)
        self.sessions: set[Session] = set()
        self._server: asyncio.Server | None = None

    @property
    def stats(self) -> Stats:
        """The numbers."""
        return self.ledger.stats

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listens; gives the port."""
        tls = self.config.tls if self.config.implicit_tls else None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Session(self.ledger, self.sessions), host, port, ssl=tls, backlog=1024
        )
        return cast(int, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Ends the listener and every session."""
        if self._server is not None:
            self._server.close()
        self.drop_sessions()
        await asyncio.sleep(0)
        self.ledger.close()

    def report(self) -> dict[str, object]:
        """The numbers, with the sessions that are open."""
        return {**self.ledger.report(), "open": len(self.sessions)}

    def drop_sessions(self) -> None:
        """Cuts every connection, as a relay that is killed does."""
        for session in list(self.sessions):
            if session.transport is not None and not session.transport.is_closing():
                session.transport.abort()


_DELAYS = {"delay": "delay_per_round", "hold": "delay_per_message"}


class Control(asyncio.Protocol):
    """A line of text in, a line of JSON out.

    ``stats``, ``reset``, ``fault mail=421*3``, ``clear`` (the faults), ``delay 50`` (ms a round trip),
    ``hold 200`` (ms a message), ``drop`` (all sessions), ``quit``.
    """

    def __init__(self, sink: Sink, stop: asyncio.Event) -> None:
        self.sink = sink
        self.stop = stop
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Obeys each line."""
        for line in data.decode().splitlines():
            word, _, argument = line.partition(" ")
            answer = self.obey(word, argument.strip())
            if self.transport is not None:
                self.transport.write(json.dumps(answer).encode() + b"\n")

    def obey(self, word: str, argument: str) -> dict[str, object]:
        """Does what one line says."""
        if word == "stats":
            return self.sink.report()
        if word == "reset":
            self.sink.ledger.stats = Stats()
        elif word == "fault":
            stage, fault = parse_fault(argument)
            self.sink.config.faults[stage] = fault
        elif word == "clear":
            self.sink.config.faults.clear()
        elif word in _DELAYS:
            setattr(self.sink.config, _DELAYS[word], float(argument) / 1000)
        elif word == "drop":
            self.sink.drop_sessions()
        elif word == "quit":
            self.stop.set()
        else:
            return {"error": f"what is {word}?"}
        return {"ok": True}


def parse_fault(text: str) -> tuple[str, Fault]:
    """Reads ``stage=action`` or ``stage=action*times``. Raises: ValueError."""
    stage, _, action = text.partition("=")
    action, _, times = action.partition("*")
    if stage not in STAGES or not re.fullmatch(r"[245]\d\d|drop|hang|garbage|lost", action):
        raise ValueError(f"{text!r}: a fault is one of {', '.join(STAGES)}, =, and a code, drop, hang, garbage or lost")
    return stage, Fault(action, int(times) if times else -1)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one, which the first line printed names")
    parser.add_argument("--control", type=int, default=-1, metavar="PORT", help="listen for control lines")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--implicit", action="store_true", help="TLS from the first byte")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--journal", metavar="FILE")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--delay-per", choices=("round", "message"), default="round")
    parser.add_argument("--no-pipelining", action="store_true")
    parser.add_argument("--closes-after", type=int, default=0, metavar="MESSAGES")
    parser.add_argument("--fault", action="append", default=[], type=parse_fault, metavar="STAGE=ACTION[*TIMES]")
    return parser.parse_args()


def configure(given: argparse.Namespace) -> Config:
    """From the command line to the sink's configuration."""
    tls = None
    if given.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*given.tls)
    delay = given.delay_ms / 1000
    return Config(
        user=given.user,
        password=given.password,
        tls=tls,
        implicit_tls=given.implicit,
        pipelining=not given.no_pipelining,
        delay_per_round=delay if given.delay_per == "round" else 0.0,
        delay_per_message=delay if given.delay_per == "message" else 0.0,
        closes_after=given.closes_after,
        faults=dict(given.fault),
    )


async def serve(given: argparse.Namespace) -> None:
    """Runs until SIGTERM, SIGINT or ``quit``; SIGUSR1 prints the numbers."""
    sink = Sink(configure(given), given.journal)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: print(json.dumps(sink.report()), flush=True))
    ready: dict[str, object] = {"port": await sink.start(given.host, given.port), "pid": os.getpid()}
    if given.control >= 0:
        control = await loop.create_server(lambda: Control(sink, stop), "127.0.0.1", given.control)
        ready["control"] = control.sockets[0].getsockname()[1]
    print(json.dumps(ready), flush=True)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    await stop.wait()
    print(json.dumps(sink.report()), flush=True)
    await sink.stop()


if __name__ == "__main__":
    uvloop.run(serve(arguments()))
