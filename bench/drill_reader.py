"""A mail client in the drill: it looks at an INBOX by IMAP all the time, and comes back when it is thrown out.

Nobody expunges, so what it has seen stays, and UIDs only ever rise.
"""

from __future__ import annotations

import imaplib
import ssl
import time
from dataclasses import dataclass, field
from threading import Event, Thread

PASSWORD = "a password of the drill"
_ANSWER_SECONDS = 10.0
_PAUSE_SECONDS = 0.2


@dataclass(slots=True)
class Reader:
    """Reads ``address`` over the TLS port of IMAP, in a thread of its own, as long as the block lasts."""

    port: int
    address: str
    ended: Event = field(default_factory=Event)
    seen: list[int] = field(default_factory=list)
    uidvalidity: bytes = b""
    log_ins: int = 0
    faults: list[str] = field(default_factory=list)

    def __enter__(self) -> Reader:
        Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()

    def _run(self) -> None:
        """Look, and look again."""
        while not self.ended.is_set():
            try:
                self._visit()
            except (OSError, imaplib.IMAP4.error):  # it was killed, or PostgreSQL was
                time.sleep(_PAUSE_SECONDS)

    def _visit(self) -> None:
        # The door's certificate is self-signed and made by the run itself.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with imaplib.IMAP4_SSL("127.0.0.1", self.port, ssl_context=context, timeout=_ANSWER_SECONDS) as client:
            client.login(self.address, PASSWORD)
            self.log_ins += 1
            while not self.ended.is_set():
                self._look(client)
                time.sleep(_PAUSE_SECONDS)

    def _look(self, client: imaplib.IMAP4) -> None:
        status, _ = client.select("INBOX", readonly=True)
        if status != "OK":
            raise imaplib.IMAP4.error("not selected")
        self._compare_validity(client.response("UIDVALIDITY")[1][0])
        status, found = client.uid("SEARCH", "ALL")
        if status != "OK":
            raise imaplib.IMAP4.error("not searched")
        uids = [int(word) for word in found[0].split()]
        if uids != sorted(set(uids)) or uids[: len(self.seen)] != self.seen:
            self.faults.append(f"{self.seen[-5:]} became {uids[-5:]}")
        self.seen = uids

    def _compare_validity(self, found: bytes) -> None:
        if self.uidvalidity not in (b"", found):
            self.faults.append(f"UIDVALIDITY {self.uidvalidity!r} became {found!r}")
        self.uidvalidity = found
