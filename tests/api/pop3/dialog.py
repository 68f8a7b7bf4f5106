r"""Conversations as text.

``C:`` lines are what the client sends, each with CRLF behind it unless it ends in ``\c``; those that follow one
another leave in one write. Escapes: ``\r \n \0 \t \xNN \\``, and ``{user}`` and ``{uid1}``, ``{uid2}`` … for the
mailbox of the test. ``S:`` lines must come back; ``*`` stands for anything. ``TLS`` changes to TLS, ``S: <end>`` is
the end of the connection, ``LOGIN`` logs in, ``#`` begins a comment. The first line names the port, and how many
messages of ``letters`` there are: ``PORT pop3s 3``. ``AGAIN pop3s`` begins another session and leaves the first.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path

from tests.api.pop3.people import Person
from tests.api.pop3.running import PASSWORD, RunningDoor

_ESCAPE = re.compile(r"\\(r|n|0|t|\\|c$|x[0-9a-f]{2})")
_MEANING = {"r": "\r", "n": "\n", "0": "\0", "t": "\t", "\\": "\\", "c": ""}


class Client:
    """A blocking client that sees every byte."""

    def __init__(self, door: RunningDoor, port: str = "pop3s") -> None:
        self._door = door
        self.socket = socket.create_connection(("127.0.0.1", getattr(door, port)), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pending = b""
        if port == "pop3s":
            self.start_tls()

    def start_tls(self) -> None:
        self.socket = self._door.tls.wrap_socket(self.socket, server_hostname="localhost")

    def log_in(self, username: str) -> None:
        """From a fresh connection under TLS to one that is logged in."""
        assert self.line().startswith("+OK")
        assert self.ask(f"USER {username}\r\nPASS {PASSWORD}\r\n".encode()).startswith("+OK")
        assert self.line().startswith("+OK")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> str:
        """The next line without its CRLF; ``<end>`` when there is none."""
        return self.raw_line().removesuffix(b"\r\n").decode("utf-8", "backslashreplace")

    def raw_line(self) -> bytes:
        while b"\r\n" not in self._pending:
            try:
                came = self.socket.recv(65_536)
            except ConnectionResetError:
                came = b""
            if not came:
                return b"<end>"
            self._pending += came
        line, _, self._pending = self._pending.partition(b"\r\n")
        return line + b"\r\n"

    def ask(self, data: bytes) -> str:
        self.send(data)
        return self.line()

    def body(self) -> bytes:
        """What stands up to the dot, its dots undoubled."""
        lines = []
        while (line := self.raw_line()) not in (b".\r\n", b"<end>"):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def play(door: RunningDoor, person: Person, path: Path) -> None:
    """Hold a conversation; fails at the first line that is not as written."""
    clients: list[Client] = []
    waiting = b""
    try:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            kind, _, rest = line.partition(" ")
            place = f"{path.name}:{number}"
            if kind != "C:" and waiting:
                clients[-1].send(waiting)
                waiting = b""
            if kind in ("PORT", "AGAIN"):
                port, _, messages = rest.partition(" ")
                person.put(int(messages or 0))
                clients.append(Client(door, port))
            elif kind == "C:":
                waiting += _unescape(person.fill_in(rest))
            elif kind and not kind.startswith("#"):
                _step(clients[-1], person, line, place)
    finally:
        for client in clients:
            client.close()


def _step(client: Client, person: Person, step: str, place: str) -> None:
    if step == "TLS":
        client.start_tls()
    elif step == "LOGIN":
        client.log_in(person.username)
    else:
        assert step.startswith("S:"), place
        expected = person.fill_in(step[3:])
        line = client.line()
        pattern = ".*".join(re.escape(part) for part in expected.split("*"))
        assert re.fullmatch(pattern, line), f"{place}: {line!r} is not {expected!r}"


def _unescape(text: str) -> bytes:
    end = "" if text.endswith("\\c") else "\r\n"
    found = _ESCAPE.sub(
        lambda m: _MEANING.get(m[1], "") or chr(int(m[1][1:] or "100", 16)) if m[1] != "c" else "", text
    )
    return (found + end).encode("latin-1" if all(ord(c) < 256 for c in found) else "utf-8")
