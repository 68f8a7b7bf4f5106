"""A blocking client that sees every byte, literals included."""

from __future__ import annotations

import re
import socket
import ssl
import zlib
from typing import Protocol

_LITERAL = re.compile(rb"\{([0-9]+)\}\r\n\Z")


class Reachable(Protocol):
    """A door, of this process or another: a port in clear, and one under TLS."""

    imap: int
    imaps: int
    tls: ssl.SSLContext


class Client:
    """Sends bytes, gives whole responses; ``<end>`` when there is none any more."""

    def __init__(self, door: Reachable | None, port: str = "imaps", *, opened: socket.socket | None = None) -> None:
        self._door = door
        self._pending = b""
        self._inflate: zlib._Decompress | None = None
        self._deflate: zlib._Compress | None = None
        self._tags = 0
        if opened is not None or door is None:
            assert opened is not None
            self.socket = opened
            return
        self.socket = socket.create_connection(("127.0.0.1", getattr(door, port)), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if port == "imaps":
            self.start_tls()

    def start_tls(self) -> None:
        assert self._door is not None
        self.socket = self._door.tls.wrap_socket(self.socket, server_hostname="localhost")

    def start_deflate(self) -> None:
        self._inflate, self._deflate = zlib.decompressobj(-15), zlib.compressobj(wbits=-15)

    def log_in(self, username: str, password: str) -> None:
        """From a fresh connection to one that is logged in."""
        self.response()
        if not hasattr(self.socket, "cipher"):
            assert self.ask(b"STARTTLS")[-1].startswith(b"OK")
            self.start_tls()
        assert self.ask(f'LOGIN "{username}" "{password}"'.encode())[-1].startswith(b"OK")

    def send(self, data: bytes) -> None:
        if self._deflate is not None:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self.socket.sendall(data)

    def response(self) -> bytes:
        """The next response with the literals in it, without its CRLF."""
        whole = b""
        while True:
            line = self._until(b"\r\n")
            if line is None:
                return b"<end>"
            whole += line
            found = _LITERAL.search(line)
            if found is None:
                return whole.removesuffix(b"\r\n")
            whole += self._take(int(found[1]))

    def line(self) -> str:
        """The next line without its CRLF, whatever it is part of; ``<end>`` when there is none."""
        line = self._until(b"\r\n")
        return "<end>" if line is None else line.removesuffix(b"\r\n").decode("utf-8", "replace")

    def ask(self, command: bytes) -> list[bytes]:
        """Send a command with a tag of its own; its untagged responses, and what stands behind its tag."""
        self._tags += 1
        tag = b"t%d " % self._tags
        self.send(tag + command + b"\r\n")
        return self.answer(tag)

    def answer(self, tag: bytes) -> list[bytes]:
        found = []
        while True:
            response = self.response()
            if response.startswith(tag) or response == b"<end>":
                return [*found, response.removeprefix(tag)]
            found.append(response)

    def append(self, message: bytes, folder: str = "INBOX", flags: str = "()") -> None:
        text = f"APPEND {folder} {flags} {{{len(message)}+}}\r\n".encode()
        assert self.ask(text + message)[-1].startswith(b"OK")

    def _until(self, end: bytes) -> bytes | None:
        while end not in self._pending:
            if not self._receive():
                return None
        line, _, self._pending = self._pending.partition(end)
        return line + end

    def _take(self, size: int) -> bytes:
        while len(self._pending) < size and self._receive():
            pass
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken

    def _receive(self) -> bool:
        try:
            came = self.socket.recv(65_536)
        except ConnectionResetError:
            came = b""
        self._pending += self._inflate.decompress(came) if self._inflate is not None else came
        return bool(came)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
