r"""Conversations as text.

``C:`` lines are what the client sends, each with CRLF behind it unless it ends in ``\c``; those that follow one
another leave in one write. Escapes: ``\r \n \0 \t \xNN \\``. ``S:`` lines must come back, line by line; ``*`` stands
for anything. ``S?`` is skipped when it does not come. ``TLS`` changes to TLS, ``DEFLATE`` to compression, ``S: <end>``
is the end of the connection, ``#`` begins a comment. ``LOGIN`` logs in; ``MESSAGE name`` appends a message of the cast.
The first line names the port: ``PORT imap``. ``OTHER`` before ``C:`` or ``S:`` is a second session in the same mailbox,
on another process. ``{address}`` and ``{password}`` are the mailbox's.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.api.imap.client import Client
from tests.api.imap.letters import LETTERS
from tests.api.imap.running import RunningDoor

_ESCAPE = re.compile(r"\\(r|n|0|t|\\|c$|x[0-9a-f]{2})")
_MEANING = {"r": "\r", "n": "\n", "0": "\0", "t": "\t", "\\": "\\", "c": ""}


class Play:
    """One conversation, with up to two sessions."""

    def __init__(self, doors: tuple[RunningDoor, RunningDoor], address: str, password: str) -> None:
        self._doors = doors
        self._login = (address, password)
        self._clients: dict[str, Client] = {}
        self._waiting: dict[str, bytes] = {"": b"", "OTHER": b""}

    def run(self, path: Path) -> None:
        """Hold it; fails at the first line that is not as written."""
        try:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                who = "OTHER" if line.startswith("OTHER ") else ""
                kind, _, rest = line.removeprefix("OTHER ").partition(" ")
                if kind and not kind.startswith("#"):
                    self._step(who, kind, self._fill(rest), f"{path.name}:{number}")
        finally:
            for client in self._clients.values():
                client.close()

    def _fill(self, text: str) -> str:
        return text.replace("{address}", self._login[0]).replace("{password}", self._login[1])

    def _step(self, who: str, kind: str, rest: str, place: str) -> None:
        if kind == "C:":
            self._waiting[who] += _unescape(rest)
            return
        if kind == "PORT":
            self._clients[who] = Client(self._doors[bool(who)], rest)
            return
        client = self._clients[who]
        if self._waiting[who]:
            client.send(self._waiting[who])
            self._waiting[who] = b""
        if kind == "TLS":
            client.start_tls()
        elif kind == "DEFLATE":
            client.start_deflate()
        elif kind == "LOGIN":
            client.log_in(*self._login)
        elif kind == "MESSAGE":
            name, _, flags = rest.partition(" ")
            client.append(LETTERS[name], flags=f"({flags})")
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
