"""The mailbox cases: ours on two processes, and Dovecot in the same run where it is installed.

    .venv/bin/python -m bench.mailboxes

does these alone, without sending any mail.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from bench import dovecot, mailbox_load
from bench.ending import unwind_on_sigterm
from bench.expectations import MAILBOXES, Finding
from bench.imap_client import ImapClient
from bench.instance import Instance
from bench.mailbox_load import Place
from bench.mailbox_prefill import add_mailboxes
from bench.memory import held_megabytes
from bench.pop3 import retrieving
from bench.report import print_findings, wide_console

_MANY = 100_000
_IDLE = 5000
_A_MAILBOX = 20


class Part:
    """A process of the IMAP part with a port in clear."""

    def __init__(self, instance: Instance, folder: Path, name: str) -> None:
        self._ready = folder / f"{name}.ports"
        with (folder / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.mailbox_part", str(self._ready)],
                env=instance.environment(),
                stdout=log,
                stderr=log,
            )

    def wait(self) -> list[int]:
        """Its ports: IMAP in clear, IMAP under TLS, POP3 in clear. Raises: RuntimeError."""
        ends_at = time.monotonic() + 60
        while not (self._ready.exists() and self._ready.read_text()):
            if self.process.poll() is not None or time.monotonic() > ends_at:
                raise RuntimeError("the IMAP part did not get ready")
            time.sleep(0.05)
        return [int(port) for port in self._ready.read_text().split()]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)


def measure(instance: Instance, folder: Path, findings: dict[str, Finding], rounds: int) -> None:
    """All of it; blocking."""
    with ExitStack() as stack:
        parts = [Part(instance, folder, f"imap{number}") for number in (1, 2)]
        for part in parts:
            stack.callback(part.stop)
        (clear, tls, pop3_port), (other, _, _) = (part.wait() for part in parts)
        address, password = asyncio.run(add_mailboxes(instance.database_url, 1))[0]
        ours = Place(clear, other, pop3_port, address, password)
        peer = _start_peer(folder, stack)
        for number in range(rounds):
            _round(ours, findings, number, is_peer=False)
            if peer is not None:
                _round(peer, findings, number, is_peer=True)
        _flat(ours, findings)
        if "tell" in findings:
            findings["tell"].values.append(mailbox_load.telling(ours))
        _weigh(instance, tls, parts[0].process.pid, findings)


def _start_peer(folder: Path, stack: ExitStack) -> Place | None:
    if not dovecot.is_installed():
        return None
    (folder / "dovecot").mkdir(exist_ok=True)
    peer = dovecot.Dovecot(folder / "dovecot")
    peer.start()
    stack.callback(peer.stop)
    return Place(peer.imap_port, peer.imap_port, peer.pop3_port, "ann", dovecot.PASSWORD)


def _round(place: Place, findings: dict[str, Finding], number: int, *, is_peer: bool) -> None:
    name = f"Read{number}"
    values = mailbox_load.appending(place)
    mailbox_load.fill(place, name)
    values |= mailbox_load.reading(place, name)
    values |= {"expunge": mailbox_load.expunging(place), "push": mailbox_load.pushing(place)}
    values |= {"logins": mailbox_load.logging_in(place), "pop3": retrieving(place)}
    for key, value in values.items():
        if key in findings:
            (findings[key].peer if is_peer else findings[key].values).append(value)


def _flat(place: Place, findings: dict[str, Finding]) -> None:
    """SELECT and STATUS of 100,000 messages, of what they take with 1,000."""
    client = place.open()
    for name in (b"Few", b"Many"):
        client.ask(b"CREATE " + name)
        client.ask(b"SELECT Read0")
        client.ask(b"COPY 1:* " + name)
    count = mailbox_load.MESSAGES
    while count < _MANY:
        client.ask(b"SELECT Many")
        more = min(count, _MANY - count)
        client.ask(b"COPY 1:%d Many" % more)
        count += more
    for name in (b"Few", b"Many"):
        client.ask(b"SELECT " + name)  # nothing is recent any more
        client.ask(b"UNSELECT")
    selects = _time_both(client, b"EXAMINE %b")
    client.ask(b"UNSELECT")
    statuses = _time_both(client, b"STATUS %b (MESSAGES UNSEEN)")
    findings["flat"].values.append(max(many / few for few, many in (selects, statuses)))
    findings["flat"].notes.append(
        f"SELECT {selects[0] * 1000:.2f} ms with 1,000 messages, {selects[1] * 1000:.2f} with 100,000;"
        f" STATUS {statuses[0] * 1000:.2f}, {statuses[1] * 1000:.2f}"
    )
    client.close()


def _time_both(client: ImapClient, command: bytes) -> tuple[float, float]:
    """What it takes of few and of many messages, in turn, the best of several tries each.

    A fraction of a millisecond swings by a factor of two with what else two cores do, and they do much after a COPY.
    """
    few, many = [], []
    for _ in range(9):
        few.append(client.time(command % b"Few", 21))
        many.append(client.time(command % b"Many", 21))
        time.sleep(0.2)
    return min(few), min(many)


def _weigh(instance: Instance, port: int, pid: int, findings: dict[str, Finding]) -> None:
    """Memory of an idle connection under TLS, with a folder selected, in IDLE."""
    mailboxes = asyncio.run(add_mailboxes(instance.database_url, _IDLE // _A_MAILBOX))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    before = held_megabytes([psutil.Process(pid)])
    clients = []
    for address, password in mailboxes:
        for _ in range(_A_MAILBOX):
            client = ImapClient(port, address, password, tls=context)
            client.ask(b"SELECT INBOX")
            client.socket.sendall(b"x IDLE\r\n")
            client.wait_for(b"+ ")
            clients.append(client)
    held = held_megabytes([psutil.Process(pid)]) - before
    findings["idle"].values.append(held * 1e6 / 1024 / len(clients))
    for client in clients:
        client.close()


def main() -> int:
    """These cases alone."""
    unwind_on_sigterm()
    folder = Path(tempfile.mkdtemp(prefix="hourpost-bench-"))
    folder.chmod(0o755)
    (folder / "home").mkdir()
    findings = {one.name: Finding(one) for one in MAILBOXES}
    instance = Instance(folder / "home", "")
    try:
        instance.start()
        measure(instance, folder, findings, rounds=2)
    finally:
        instance.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print_findings(wide_console(), list(findings.values()), "Dovecot from Debian, Maildir")
    return int(any(finding.verdict in ("below", "lost") for finding in findings.values()))


if __name__ == "__main__":
    sys.exit(main())
