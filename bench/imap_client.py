"""A client that does as little as it can, so that the server is what is measured."""

from __future__ import annotations

import socket
import ssl
import time


class ImapClient:
    """One blocking connection. ``ask`` waits for the tagged line; answers are only looked at for that."""

    def __init__(self, port: int, user: str, password: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._tags = 0
        self.wait_for(b"\r\n")
        self.ask(f'LOGIN "{user}" "{password}"'.encode())

    def ask(self, command: bytes, tail: bytes = b"") -> bytes:
        """Send a command, wait until it has ended well. Raises: RuntimeError."""
        self._tags += 1
        tag = b"t%d" % self._tags
        self.socket.sendall(tag + b" " + command + b"\r\n" + tail)
        return self.finish(tag)

    def finish(self, tag: bytes) -> bytes:
        """Everything up to the end of a command."""
        chunks: list[bytes] = []
        end = b""
        while True:
            chunk = self.socket.recv(262_144)
            if not chunk:
                raise RuntimeError("the server closed the connection")
            chunks.append(chunk)
            end = (end + chunk)[-2000:]
            if end.endswith(b"\r\n"):
                last = end[:-2].rpartition(b"\r\n")[2]
                if last.startswith(tag + b" "):
                    if not last.startswith(tag + b" OK"):
                        raise RuntimeError(last.decode())
                    return b"".join(chunks)

    def wait_for(self, word: bytes) -> bytes:
        """Read until ``word`` has come."""
        seen = b""
        while word not in seen:
            chunk = self.socket.recv(65_536)
            if not chunk:
                raise RuntimeError("the server closed the connection")
            seen += chunk
        return seen

    def append(self, message: bytes, folder: str = "INBOX") -> None:
        """Store a message, in one round trip."""
        self.ask(b"APPEND %b {%d+}" % (folder.encode(), len(message)), message + b"\r\n")

    def time(self, command: bytes, repeats: int) -> float:
        """The median of how many seconds a command takes."""
        taken = []
        for _ in range(repeats):
            began_at = time.perf_counter()
            self.ask(command)
            taken.append(time.perf_counter() - began_at)
        return sorted(taken)[len(taken) // 2]

    def close(self) -> None:
        """Leave."""
        self.socket.close()
