"""SPF by pyspf, its questions asked of our name servers (RFC 7208)."""

from __future__ import annotations

from typing import Any

import spf

from hourpost.gateways.authentication.lookups import LookupFailed, Lookups
from hourpost.rules.authentication import Spf

_MAX_RECORD_BYTES = 4096  # RFC 7208 §3.4 asks for much less
_RESULTS = frozenset({"pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"})


class _Query(spf.query):  # type: ignore[misc]  # pyspf has no types
    """pyspf's evaluation, on answers of ours."""

    def __init__(self, lookups: Lookups, address: str, sender: str, client_name: str) -> None:
        super().__init__(i=address, s=sender, h=client_name)
        self._lookups = lookups

    def dns(self, name: Any, qtype: str, cnames: Any = None, ignore_void: bool = False) -> list[Any]:
        """The records in the shapes that pyspf expects; CNAMEs are followed by the resolver."""
        text = str(name).rstrip(".").lower()
        if not all(0 < len(label) < 64 for label in text.split(".")):
            return []
        try:
            found = [_shape(record, qtype) for record in self._lookups.find(text, qtype) if _is_sane(record, qtype)]
        except LookupFailed as error:
            raise spf.TempError(f"DNS {error}") from error
        if not found and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"Void lookup limit of {spf.MAX_VOID_LOOKUPS} exceeded")
        return found


def check_spf(lookups: Lookups, address: str, sender: str, client_name: str) -> Spf:
    """Whether ``address`` may send for the domain of ``sender``, or of ``client_name`` for the null sender."""
    identity = "mailfrom" if sender else "helo"
    domain = sender.rpartition("@")[2] if sender else client_name
    if "." not in domain or domain.startswith("["):  # an address literal has no record
        return Spf("none", domain, identity)
    try:
        result = str(_Query(lookups, address, sender, client_name).check()[0])
    except (spf.PermError, UnicodeError, ValueError, IndexError):
        result = "permerror"
    return Spf(result if result in _RESULTS else "permerror", domain.lower(), identity)


def _is_sane(record: Any, kind: str) -> bool:
    return kind not in ("TXT", "SPF") or sum(map(len, record.strings)) <= _MAX_RECORD_BYTES


def _shape(record: Any, kind: str) -> Any:
    if kind in ("A", "AAAA"):
        return record.address
    if kind == "MX":
        return record.preference, record.exchange.to_text(omit_final_dot=True)
    if kind == "PTR":
        return record.target.to_text(omit_final_dot=True)
    return record.strings
