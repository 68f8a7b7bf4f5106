"""RETR of a whole maildrop, all of it asked for in one write."""

from __future__ import annotations

import socket
import time
from statistics import median

from bench.mailbox_load import MESSAGES, Place


class Pop3Client:
    """A client that counts bytes and looks at none of them."""

    def __init__(self, place: Place) -> None:
        self._socket = socket.create_connection(("127.0.0.1", place.pop3_port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read(b"\r\n")
        for line in (f"USER {place.user}", f"PASS {place.password}"):
            self._ask(line)

    def retrieve(self) -> int:
        """The size of so many messages."""
        self._socket.sendall(b"".join(b"RETR %d\r\n" % number for number in range(1, MESSAGES + 1)) + b"NOOP\r\n")
        return self._read(b"\r\n.\r\n+OK\r\n")

    def close(self) -> None:
        """Leave, and delete nothing."""
        self._ask("RSET")
        self._ask("QUIT")
        self._socket.close()

    def _ask(self, line: str) -> None:
        self._socket.sendall(line.encode() + b"\r\n")
        self._read(b"\r\n")

    def _read(self, end: bytes) -> int:
        size, tail = 0, b""
        while not tail.endswith(end):
            came = self._socket.recv(1 << 20)
            if not came:
                raise ConnectionError(f"the server closed after {tail[-80:]!r}")
            size += len(came)
            tail = (tail + came)[-16:] if len(came) < 16 else came[-16:]
        return size


def retrieving(place: Place, repeats: int = 5) -> float:
    """Messages a second, each time by another session; whatever the server prepares once is prepared."""
    taken = []
    for _ in range(repeats + 1):
        client = Pop3Client(place)
        began_at = time.perf_counter()
        size = client.retrieve()
        taken.append(time.perf_counter() - began_at)
        client.close()
        if size < MESSAGES * 6000:
            raise RuntimeError(f"{MESSAGES} messages of 7 KB had {size} bytes")
    return MESSAGES / median(taken[1:])
