"""Questions to name servers from a thread: answers are remembered for their time, and a message has a deadline."""

from __future__ import annotations

import time
from threading import Lock
from typing import Any

from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer, NoNameservers, Resolver

from hourpost.gateways.dns import name_server

_REMEMBERED = 20_000
_MAX_TTL_SECONDS = 3600.0
_NOTHING_SECONDS = 120.0
_FAILURE_SECONDS = 20.0
_MOST_UNANSWERED = 8
_SILENT_SECONDS = 10.0
# RFC 2606 and RFC 6761: no server of the world knows them
_NOBODYS = ("test", "example", "invalid", "localhost", "local")

Records = tuple[Any, ...]


class LookupFailed(TimeoutError):
    """The name servers gave no usable answer, or not in time."""


class NameServers:
    """The servers, the system's when none are named, and what they said; shared by all threads."""

    def __init__(self, servers: str = "", *, timeout_seconds: float = 2.0) -> None:
        self._servers = [name_server(text) for text in servers.split()]
        self._timeout_seconds = timeout_seconds
        self._known: dict[tuple[str, str], tuple[float, Records | None]] = {}
        self._lock = Lock()
        self._unanswered = 0  # in a row
        self._silent_until = 0.0

    def ask(self, name: str, kind: str, seconds: float) -> Records:
        """The records of a name, none when it has none. Raises: LookupFailed."""
        name = name.rstrip(".").lower()
        if not self._servers and name.rpartition(".")[2] in _NOBODYS:
            return ()
        key, now = (name, kind), time.monotonic()
        until, records = self._known.get(key, (0.0, None))
        if until <= now:
            if now < self._silent_until:
                raise LookupFailed("the name servers do not answer at the moment")
            records, keep_seconds = self._resolve(name, kind, seconds)
            self._remember(key, now + keep_seconds, records)
        if records is None:
            raise LookupFailed(f"no answer about {name}")
        return records

    def _resolve(self, name: str, kind: str, seconds: float) -> tuple[Records | None, float]:
        """The records, None when nobody knows, and for how many seconds that is to be remembered."""
        try:
            resolver = Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = list(self._servers)
            resolver.timeout = self._timeout_seconds
            answer = resolver.resolve(f"{name}.", kind, lifetime=seconds, search=False)
        except (NXDOMAIN, NoAnswer):
            self._unanswered = 0
            return (), _NOTHING_SECONDS
        except NoNameservers:  # they answered that they do not know: that is about this name
            return None, _FAILURE_SECONDS
        except (DNSException, OSError):
            self._miss()
            return None, _FAILURE_SECONDS
        except (ValueError, UnicodeError):  # no name at all, whatever somebody wrote there
            return (), _NOTHING_SECONDS
        self._unanswered = 0
        return tuple(answer), min(float(answer.rrset.ttl if answer.rrset else 0), _MAX_TTL_SECONDS)

    def _miss(self) -> None:
        """Nobody waits for servers that have been silent for a while, or a few mails would keep all threads."""
        self._unanswered += 1
        if self._unanswered >= _MOST_UNANSWERED:
            self._silent_until = time.monotonic() + _SILENT_SECONDS

    def _remember(self, key: tuple[str, str], until: float, records: Records | None) -> None:
        with self._lock:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = (until, records)


class Lookups:
    """The questions about one message, all of them before its deadline."""

    def __init__(self, servers: NameServers, seconds: float) -> None:
        self._servers = servers
        self._ends_at = time.monotonic() + seconds

    def find(self, name: str, kind: str) -> Records:
        """The records of a name. Raises: LookupFailed."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise LookupFailed("the deadline of this message has passed")
        return self._servers.ask(name, kind, min(left, 4.0))

    def find_txt(self, name: str) -> list[bytes]:
        """The TXT records of a name, each joined. Raises: LookupFailed."""
        return [b"".join(record.strings) for record in self.find(name, "TXT")]
