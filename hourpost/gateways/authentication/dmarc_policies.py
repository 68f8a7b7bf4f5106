"""DMARC policies: the record by authheaders' reading of it, the organisation by the public suffix list it brings."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files

from authheaders.dmarc_lookup import DMARCException, PublicSuffixList, answer_to_dict

from hourpost.gateways.authentication.lookups import Lookups
from hourpost.rules.authentication import Policy

_ACTIONS = frozenset({"none", "quarantine", "reject"})


def find_policy(lookups: Lookups, domain: str) -> Policy | None:
    """The policy for mail from ``domain``: its own, or that of its organisation (RFC 7489 §6.6.3).

    Raises: LookupFailed.
    """
    tags = _find_record(lookups, domain)
    action = tags.get("p", "")
    if not tags:
        organisation = organisation_of(domain)
        tags = _find_record(lookups, organisation) if organisation != domain else {}
        action = tags.get("sp") or tags.get("p", "")
    if action not in _ACTIONS:
        return None
    return Policy(action, is_spf_strict=tags.get("aspf") == "s", is_dkim_strict=tags.get("adkim") == "s")


@lru_cache(10_000)
def organisation_of(domain: str) -> str:
    """The registered domain above ``domain``: ``example.co.uk`` of ``mail.example.co.uk``.

    Where the list has no rule its last label is the public suffix, as with the rule ``*`` (publicsuffix.org/list).
    """
    known: str | None = _suffixes().get_sld(domain, strict=True)
    return known or ".".join(domain.rsplit(".", 2)[-2:])


@cache
def _suffixes() -> PublicSuffixList:
    text = (files("authheaders") / "public_suffix_list.txt").read_text("utf-8")
    return PublicSuffixList(text.splitlines())


def _find_record(lookups: Lookups, domain: str) -> dict[str, str]:
    """The tags of the one record; empty where there is none, or more than one."""
    texts = [text.decode("utf-8", "replace") for text in lookups.find_txt(f"_dmarc.{domain}")]
    records = [text for text in texts if text.replace(" ", "").lower().startswith("v=dmarc1")]
    if len(records) != 1:
        return {}
    try:
        return dict(answer_to_dict(records[0].rstrip("; ")))
    except DMARCException:
        return {}
