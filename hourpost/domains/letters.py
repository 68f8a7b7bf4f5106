"""What is written to the owner of a domain that has lost a record."""

from __future__ import annotations

from hourpost.domains.changes import MISSING_FOR
from hourpost.domains.checking import Loss
from hourpost.domains.names import ownership_name
from hourpost.domains.queries import Domain
from hourpost.rules.letters import Letter

_DAYS = MISSING_FOR.days


def tell_loss(domain: Domain, loss: Loss, to: str, link: str) -> Letter:
    """Says what is gone, what follows from it, and what mends it."""
    subject, paragraphs = _WORDS[loss]
    values = {"domain": domain.name, "record": ownership_name(domain.name), "days": _DAYS}
    return Letter(
        to,
        subject.format(**values),
        tuple(one.format(**values) for one in paragraphs),
        link,
        "See the records",
        ("We look again every hour, and you can have it looked up at once on that page.",),
    )


_WORDS: dict[Loss, tuple[str, tuple[str, ...]]] = {
    Loss.PROOF: (
        "A DNS record of {domain} is gone",
        (
            "We could not find the TXT record {record} any more, which proves that {domain} is yours.",
            "Your mail goes on leaving. If the record is not back within {days} days, mail from it is refused.",
        ),
    ),
    Loss.DOMAIN: (
        "No mail leaves from {domain} any more",
        (
            "The TXT record {record}, which proves that {domain} is yours, has been missing for {days} days.",
            "Mail from this domain is refused until the record is back and the domain is verified again.",
        ),
    ),
    Loss.SIGNATURE: (
        "Mail from {domain} is no longer signed",
        (
            "A DKIM record of {domain} is gone from DNS, so we do not sign with its key any more: a signature that"
            " nobody can check does more harm than none.",
            "Your mail goes on leaving, but more of it may be taken for spam. It is signed again as soon as the record"
            " is back.",
        ),
    ),
}
