"""What is done to a mailbox, the same to ours and to the peer's; each gives figures by name, most of them rates."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.imap_client import ImapClient

MESSAGES = 1000
_LINE = b"a line of text as it is found in a message of the usual kind, of 76 bytes.\r\n"
_HEAD = (
    "From: =?utf-8?q?Ann_Ex=C3=A4mple?= <ann{n}@example.org>\r\nTo: Bob <bob@example.net>, carol@example.net\r\n"
    'Cc: "Dave, Dr." <dave@example.com>\r\nSubject: Message number {n} about the quarter\r\n'
    "Date: Tue, 24 Nov 2026 15:00:00 +0000\r\nMessage-ID: <{n}.{size}@example.org>\r\n"
    "References: <a{n}@example.org> <b{n}@example.org>\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/alternative; boundary="bound"\r\n\r\n--bound\r\n'
    "Content-Type: text/plain; charset=utf-8\r\n\r\n"
)
_MIDDLE = b"\r\n--bound\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"


def letter(number: int, size: int = 7000) -> bytes:
    """A message of about that size, with two parts."""
    head = _HEAD.format(n=number, size=size).encode()
    lines = max(2, (size - len(head)) // len(_LINE))
    return head + _LINE * (lines // 2) + _MIDDLE + _LINE * (lines - lines // 2) + b"\r\n--bound--\r\n"


@dataclass(frozen=True, slots=True)
class Place:
    """A mailbox to be loaded: ``other_port`` leads to another process."""

    port: int
    other_port: int
    pop3_port: int
    user: str
    password: str

    def open(self, *, other: bool = False) -> ImapClient:
        """A connection, logged in."""
        return ImapClient(self.other_port if other else self.port, self.user, self.password)


def appending(place: Place, each: int = 150) -> dict[str, float]:
    """Messages of 7 KB by one connection and by eight, each waited for."""
    found = {}
    _together(place, 1, partial(_append, 20))  # what is done once
    for name, connections in (("append1", 1), ("append8", 8)):
        began_at = time.perf_counter()
        _together(place, connections, partial(_append, each))
        found[name] = connections * each / (time.perf_counter() - began_at)
    return found


def _append(count: int, client: ImapClient) -> None:
    for number in range(count):
        client.append(letter(number))


def _together(place: Place, count: int, work: Callable[[ImapClient], None]) -> None:
    clients = [place.open() for _ in range(count)]
    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()


def fill(place: Place, folder: str, messages: int = MESSAGES) -> None:
    """A folder of so many messages of 7 KB."""
    client = place.open()
    client.ask(b"CREATE " + folder.encode())
    for number in range(messages):
        client.append(letter(number), folder)
    client.close()


def reading(place: Place, folder: str) -> dict[str, float]:
    """SELECT, STATUS and FETCH of all messages, in times a second."""
    client, name = place.open(), folder.encode()
    client.ask(b"SELECT " + name)  # whatever the server prepares once is prepared
    client.ask(b"FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
    selects = client.time(b"EXAMINE " + name, 31)
    client.ask(b"UNSELECT")  # of a selected folder STATUS asks what the server has in hand
    statuses = client.time(b"STATUS " + name + b" (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)", 31)
    client.ask(b"SELECT " + name)
    found = {
        "select": 1 / selects,
        "status": 1 / statuses,
        "flags": 1 / client.time(b"FETCH 1:* (FLAGS)", 15),
        "envelope": 1 / client.time(b"FETCH 1:* (ENVELOPE RFC822.SIZE INTERNALDATE)", 9),
        "structure": 1 / client.time(b"FETCH 1:* (BODYSTRUCTURE)", 9),
        "bodies": MESSAGES / client.time(b"FETCH 1:* (BODY.PEEK[])", 5),
    }
    client.close()
    return found


def expunging(place: Place) -> float:
    """EXPUNGE of 500 messages, in times a second."""
    client = place.open()
    client.ask(b"CREATE Full")
    for number in range(500):
        client.append(letter(number, 2000), "Full")
    client.ask(b"SELECT Full")
    client.ask(b"STORE 1:* +FLAGS.SILENT (\\Deleted)")
    began_at = time.perf_counter()
    client.ask(b"EXPUNGE")
    taken = time.perf_counter() - began_at
    client.ask(b"CLOSE")
    client.ask(b"DELETE Full")
    client.close()
    return 1 / taken


def pushing(place: Place, repeats: int = 15) -> float:
    """From the end of an APPEND on one process until who idles on another knows; in times a second."""
    idler, writer = place.open(), place.open(other=True)
    idler.ask(b"CREATE Pushed")
    idler.ask(b"SELECT Pushed")
    idler.socket.sendall(b"x IDLE\r\n")
    idler.wait_for(b"+ ")
    taken = []
    for number in range(repeats):
        time.sleep(0.15)
        heard: list[float] = []
        thread = threading.Thread(target=_hear, args=(idler, heard))
        thread.start()
        writer.append(letter(number, 2000), "Pushed")
        sent_at = time.perf_counter()
        thread.join(60)
        taken.append(max(heard[0] - sent_at, 0.0001) if heard else 60.0)
    idler.socket.sendall(b"DONE\r\n")
    idler.finish(b"x")
    idler.ask(b"CLOSE")
    idler.ask(b"DELETE Pushed")
    for client in (idler, writer):
        client.close()
    return 1 / sorted(taken)[len(taken) // 2]


def _hear(idler: ImapClient, heard: list[float]) -> None:
    idler.wait_for(b" EXISTS")
    heard.append(time.perf_counter())


def telling(place: Place, repeats: int = 10) -> float:
    """The longest, in ms, from the end of a STORE or MOVE on one process until who idles on another knows."""
    idler, writer = place.open(), place.open(other=True)
    for name in (b"Told", b"Away"):
        writer.ask(b"CREATE " + name)
    for number in range(repeats):
        writer.append(letter(number, 2000), "Told")
    for client in (idler, writer):
        client.ask(b"SELECT Told")
    idler.socket.sendall(b"x IDLE\r\n")
    idler.wait_for(b"+ ")
    taken = []
    for command, word in ((b"STORE 1 FLAGS (\\Flagged $%d)", b" FETCH "), (b"MOVE 1 Away", b" EXPUNGE")):
        for number in range(repeats):
            time.sleep(0.15)
            began_at = time.perf_counter()
            writer.ask(command % number if b"%" in command else command)
            idler.wait_for(word)
            taken.append(time.perf_counter() - began_at)
    idler.socket.sendall(b"DONE\r\n")
    idler.finish(b"x")
    for client in (idler, writer):
        client.close()
    return 1000 * max(taken)


def logging_in(place: Place, seconds: float = 4.0, connections: int = 8) -> float:
    """Log-ins a second, each on a connection of its own."""
    ends_at = time.perf_counter() + seconds
    counts = [0] * connections

    def work(index: int) -> None:
        while time.perf_counter() < ends_at:
            client = place.open()
            client.ask(b"LOGOUT")
            client.close()
            counts[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds
