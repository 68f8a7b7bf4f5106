"""What SPF, DKIM and DMARC say of a message, and how it is written on top of it (RFC 7208, 6376, 7489, 8601)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_NOT_TOKEN = re.compile(r"[^A-Za-z0-9._@+=/-]")
_SERVER = re.compile(rb"(?>(?:\s++|\([^()]*\))*)\"?([^\s;\"(]*+)")
_STRICTNESS = {"none": 0, "quarantine": 1, "reject": 2}


@dataclass(frozen=True, slots=True)
class Spf:
    """Whether the client may send for ``domain``, which is of MAIL FROM or, for the null sender, of EHLO."""

    result: str
    domain: str
    identity: str = "mailfrom"  # or helo


@dataclass(frozen=True, slots=True)
class Signature:
    """One DKIM signature."""

    result: str
    domain: str = ""
    selector: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the owner of a From domain asks of those who receive mail in its name."""

    action: str  # none, quarantine, reject
    is_spf_strict: bool = False
    is_dkim_strict: bool = False


@dataclass(frozen=True, slots=True)
class Dmarc:
    """What became of the policy of one From domain; ``action`` is empty where there is none."""

    result: str
    domain: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Authentication:
    """All three."""

    spf: Spf
    signatures: tuple[Signature, ...]
    dmarc: Dmarc

    @property
    def is_unwanted(self) -> bool:
        """Whether the owner of the From domain asks to have this message refused or set aside."""
        return self.dmarc.result == "fail" and self.dmarc.action in ("reject", "quarantine")

    def is_from(self, domain: str, organisation_of: Callable[[str], str]) -> bool:
        """Whether something that passed speaks for ``domain``, whatever its owner asks of others."""
        passed = [one.domain for one in self.signatures if one.result == "pass"]
        if self.spf.result == "pass":
            passed.append(self.spf.domain)
        return any(one and organisation_of(one) == organisation_of(domain) for one in passed)


def judge(
    policy: Policy | None,
    from_domain: str,
    spf: Spf,
    signatures: Iterable[Signature],
    organisation_of: Callable[[str], str],
) -> Dmarc:
    """Whether something that passed speaks for ``from_domain`` (RFC 7489 §3.1)."""
    if policy is None:
        return Dmarc("none", from_domain)

    def is_aligned(domain: str, *, is_strict: bool) -> bool:
        if is_strict:
            return domain == from_domain
        return bool(domain) and organisation_of(domain) == organisation_of(from_domain)

    by_spf = spf.result == "pass" and is_aligned(spf.domain, is_strict=policy.is_spf_strict)
    by_dkim = any(
        one.result == "pass" and is_aligned(one.domain, is_strict=policy.is_dkim_strict) for one in signatures
    )
    if by_spf or by_dkim:
        return Dmarc("pass", from_domain, policy.action)
    is_open = spf.result == "temperror" or any(one.result == "temperror" for one in signatures)
    return Dmarc("temperror" if is_open else "fail", from_domain, policy.action)


def strictest(found: Iterable[Dmarc]) -> Dmarc:
    """The one that counts for a message from several domains: a failure of the strictest policy, if there is any."""
    return max(found, key=lambda one: (one.result == "fail", _STRICTNESS.get(one.action, -1)))


def write_results(hostname: str, found: Authentication) -> bytes:
    """The ``Authentication-Results`` field, CRLF included."""
    spf, dmarc = found.spf, found.dmarc
    words = [f"spf={spf.result} smtp.{spf.identity}={_token(spf.domain)}" if spf.domain else f"spf={spf.result}"]
    words += [_write_signature(one) for one in found.signatures] or ["dkim=none"]
    policy = f" (p={dmarc.action})" if dmarc.action else ""
    words.append(f"dmarc={dmarc.result}{policy} header.from={_token(dmarc.domain) or 'none'}")
    return b"Authentication-Results: %b\r\n" % ";\r\n\t".join([hostname, *words]).encode("ascii")


def is_of_server(value: bytes, hostname: str) -> bool:
    """Whether the value of an ``Authentication-Results`` field says that ``hostname`` wrote it."""
    match = _SERVER.match(value)
    return match is not None and match[1].lower() == hostname.lower().encode()


def _write_signature(one: Signature) -> str:
    comment = f" ({_token(one.comment)})" if one.comment else ""
    domain = f" header.d={_token(one.domain)}" if one.domain else ""
    selector = f" header.s={_token(one.selector)}" if one.selector else ""
    return f"dkim={one.result}{comment}{domain}{selector}"


def _token(text: str) -> str:
    return _NOT_TOKEN.sub("?", text)[:253]
