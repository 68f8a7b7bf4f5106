r"""Conversations as text.

``C:`` lines are what the client sends, each with CRLF behind it unless it ends in ``\c``; those that follow one
another leave in one write. Escapes: ``\r \n \0 \t \xNN \\``. ``S:`` lines must come back; ``*`` stands for anything.
``TLS`` changes to TLS, ``S: <end>`` is the end of the connection, ``LOGIN`` logs in, ``#`` begins a comment. The first
line names the port: ``PORT submission``.
"""

from __future__ import annotations

import base64
import re
import socket
from pathlib import Path

from tests.api.smtp.running import RunningDoor
from tests.fakes.standings import PASSWORD, USERNAME

_ESCAPE = re.compile(r"\\(r|n|0|t|\\|c$|x[0-9a-f]{2})")
_MEANING = {"r": "\r", "n": "\n", "0": "\0", "t": "\t", "\\": "\\", "c": ""}


class Client:
    """A blocking client that sees every byte."""

    def __init__(self, door: RunningDoor, port: str = "submission") -> None:
        self._door = door
        self.socket = socket.create_connection(("127.0.0.1", getattr(door, port)), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pending = b""
        if port == "submissions":
            self.start_tls()

    def start_tls(self) -> None:
        self.socket = self._door.tls.wrap_socket(self.socket, server_hostname="localhost")

    def log_in(self) -> None:
        """From a fresh connection to one that is logged in."""
        self.line()
        self.ask(b"EHLO client.test\r\n")
        if self.socket.getsockname() and not hasattr(self.socket, "cipher"):
            self.ask(b"STARTTLS\r\n")
            self.start_tls()
            self.ask(b"EHLO client.test\r\n")
        word = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode())
        assert self.ask(b"AUTH PLAIN " + word + b"\r\n").startswith("235")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> str:
        """The next line without its CRLF; ``<end>`` when there is none."""
        while b"\r\n" not in self._pending:
            try:
                came = self.socket.recv(65_536)
            except ConnectionResetError:
                came = b""
            if not came:
                return "<end>"
            self._pending += came
        line, _, self._pending = self._pending.partition(b"\r\n")
        return line.decode()

    def reply(self) -> str:
        """The next reply, its last line."""
        line = self.line()
        while line[3:4] == "-":
            line = self.line()
        return line

    def ask(self, data: bytes) -> str:
        self.send(data)
        return self.reply()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def play(door: RunningDoor, path: Path) -> None:
    """Hold a conversation; fails at the first line that is not as written."""
    client: Client | None = None
    waiting = b""
    try:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            kind, _, rest = line.partition(" ")
            place = f"{path.name}:{number}"
            if kind != "C:" and waiting and client is not None:
                client.send(waiting)
                waiting = b""
            if kind == "PORT":
                client = Client(door, rest)
            elif kind == "C:":
                waiting += _unescape(rest)
            elif kind and not kind.startswith("#"):
                assert client is not None
                _step(client, kind, rest, place)
    finally:
        if client is not None:
            client.close()


def _step(client: Client, kind: str, rest: str, place: str) -> None:
    if kind == "TLS":
        client.start_tls()
    elif kind == "LOGIN":
        client.log_in()
    else:
        assert kind == "S:", place
        line = client.line()
        pattern = ".*".join(re.escape(part) for part in rest.split("*"))
        assert re.fullmatch(pattern, line), f"{place}: {line!r} is not {rest!r}"


def _unescape(text: str) -> bytes:
    end = "" if text.endswith("\\c") else "\r\n"
    found = _ESCAPE.sub(
        lambda m: _MEANING.get(m[1], "") or chr(int(m[1][1:] or "100", 16)) if m[1] != "c" else "", text
    )
    return (found + end).encode("latin-1" if all(ord(c) < 256 for c in found) else "utf-8")
