"""What a relay's reply means: for the delivery, for the relay, and in one sentence for people (RFC 5321, RFC 3463)."""

from __future__ import annotations

import re
from enum import StrEnum


class ReplyClass(StrEnum):
    """What follows from a reply for one recipient."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"  # the same relay may take it later
    PERMANENT = "permanent"  # it bounces
    RELAY_FAULT = "relay_fault"  # nothing is wrong with the mail: another relay, or this one when it is mended
    UNKNOWN = "unknown"  # the answer to the final dot was lost: it may have been taken


# Before MAIL a relay speaks of us or of itself, never of a recipient
_BEFORE_MAIL = frozenset({"connect", "ehlo", "tls", "starttls", "auth"})
_RCPT = "rcpt"
_AFTER_DOT = "dot"
# Who has let us write a message knows us: what it says then is about the message (554 5.7.9 by its policy)
_OF_CONTENT = frozenset({"body", _AFTER_DOT})
_TO_CONTENT = _OF_CONTENT | {"data"}
# 454, 530-538: RFC 4954 §6, RFC 3207 §4; 502 and 503: it takes no mail at all, or lost step with us
_RELAY_CODES = frozenset({454, 502, 503, 530, 534, 535, 538})
_RELAY_DETAILS = frozenset({"7.8", "7.9", "7.11", "7.12", "7.14"})
_RELAY_WORDS = re.compile(
    r"relay(?:ing)? (?:access )?denied|(?:not permitted|unable|not allowed) to relay"
    r"|authentication (?:is )?(?:required|needed)|must (?:be )?authenticate|not authenticated",
    re.IGNORECASE,
)
_BAD_ADDRESS_DETAILS = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"})
_BAD_ADDRESS_CODES = frozenset({550, 551, 553})
# As Exim says of a call to the sender's server, and others of the From header
_OF_SENDER = re.compile(r"\bsender\b|\bverification failed for\b|\bfrom (?:header|address|field)\b", re.IGNORECASE)
_BAD_ADDRESS_WORDS = re.compile(
    r"(?:user|recipient|mailbox|address|account)(?: is)? (?:unknown|not found|does ?n[o']t exist|disabled)"
    r"|(?:unknown|no such|invalid) (?:user|recipient|mailbox|address)"
    r"|unroute?able address",  # Exim: neither such a user nor such a domain
    re.IGNORECASE,
)


def classify(code: int | None, enhanced: str | None, text: str, stage: str) -> ReplyClass:
    """What a reply means for one recipient; ``code`` is None where the connection ended without one.

    ``stage`` is connect, tls, auth, mail, rcpt, data, body or dot. The three digits decide; the enhanced code and the
    words only tell whose fault it is. 552 for RCPT with 5.5.3 is temporary (RFC 5321 §4.5.3.1.10).
    """
    if code is None:
        return _classify_silence(stage)
    if 200 <= code < 400:
        return ReplyClass.ACCEPTED
    if stage in _BEFORE_MAIL or _is_relay_fault(code, enhanced, text, stage):
        return ReplyClass.RELAY_FAULT
    if not 500 <= code < 600 or (code == 552 and _detail(enhanced) == "5.3"):
        return ReplyClass.TRANSIENT
    return ReplyClass.PERMANENT


def is_out_of_order(code: int | None, enhanced: str | None) -> bool:
    """Whether a temporary reply speaks of the relay's own state (X.3.x of RFC 3463 §3.4; a full disk)."""
    if code is None or not 400 <= code < 500:
        return False
    detail = _detail(enhanced)
    return code == 452 if detail in (None, "0.0") else detail.startswith("3.")


def is_bad_address(
    code: int | None, enhanced: str | None, text: str, stage: str = "rcpt", *, is_alone: bool = True
) -> bool:
    """Whether a permanent reply says that there is no such mailbox, so that writing to it again only does harm.

    Only RCPT speaks of one recipient (RFC 5321 §3.3). What is said to the content may do so where the recipient
    ``is_alone``, and what is said to MAIL or before it is about the sender, or about us.
    """
    if code is None or not 500 <= code < 600:
        return False
    if stage != _RCPT and not (stage in _TO_CONTENT and is_alone and "account" not in text.lower()):
        return False
    detail = _detail(enhanced)
    if (stage != _RCPT or detail in (None, "0.0")) and _OF_SENDER.search(text) is not None:
        return False
    if detail is not None and detail != "0.0":
        return detail in _BAD_ADDRESS_DETAILS
    return code in _BAD_ADDRESS_CODES and _BAD_ADDRESS_WORDS.search(text) is not None


def explain(code: int | None, enhanced: str | None) -> str:
    """One plain sentence of what a reply means, for people who do not know the codes."""
    if code is None:
        return "The connection ended without an answer."
    if 200 <= code < 400:
        return "The server took the email."
    detail = _detail(enhanced) or ""
    sentence = _DETAILS.get(detail) or _CODES.get(code) or _SUBJECTS.get(detail.partition(".")[0])
    if sentence is not None:
        return sentence
    if 400 <= code < 500:
        return "The server could not take the email at the moment."
    return "The server refused the email for good."


def _classify_silence(stage: str) -> ReplyClass:
    if stage == _AFTER_DOT:
        return ReplyClass.UNKNOWN
    return ReplyClass.RELAY_FAULT if stage in _BEFORE_MAIL else ReplyClass.TRANSIENT


def _is_relay_fault(code: int, enhanced: str | None, text: str, stage: str) -> bool:
    if code in _RELAY_CODES:
        return True
    if stage in _OF_CONTENT:
        return False
    return _detail(enhanced) in _RELAY_DETAILS or (code >= 500 and _RELAY_WORDS.search(text) is not None)


def _detail(enhanced: str | None) -> str | None:
    """Subject and detail of an enhanced code: ``1.1`` of ``5.1.1``."""
    return enhanced.partition(".")[2] if enhanced else None


_DETAILS = {
    "1.1": "There is no mailbox of that name at the recipient's domain.",
    "1.2": "The recipient's domain does not exist or takes no mail.",
    "1.3": "The server does not understand the recipient's address.",
    "1.4": "The recipient's address stands for more than one mailbox.",
    "1.6": "The recipient has moved and left no new address.",
    "1.7": "The server does not understand the sender's address.",
    "1.8": "The server cannot find the sender's domain.",
    "1.10": "The recipient's domain says that it takes no mail at all.",
    "2.1": "The recipient's mailbox is switched off or takes no mail.",
    "2.2": "The recipient's mailbox is full.",
    "2.3": "The email is larger than the recipient's mailbox takes.",
    "2.4": "The mailing list behind the address could not be expanded.",
    "3.1": "The server has no disk space left.",
    "3.2": "The server takes no mail at the moment.",
    "3.4": "The email is larger than the server takes.",
    "4.1": "The recipient's server does not answer.",
    "4.2": "The connection to the recipient's server broke.",
    "4.3": "The server could not look up where the mail goes.",
    "4.4": "The server does not know where mail for this domain goes.",
    "4.5": "The server is overloaded at the moment.",
    "4.6": "The mail runs in a loop between servers.",
    "4.7": "The recipient's server could not be reached for too long.",
    "5.2": "The server could not follow our commands.",
    "5.3": "The server takes fewer recipients in one go.",
    "6.1": "The recipient's server cannot handle this kind of content.",
    "6.6": "The server could not look into the email's content.",
    "6.7": "The recipient's server cannot take addresses that are not ASCII.",
    "7.0": "The server refused the email for a rule of its own.",
    "7.1": "The server does not let this email through: its rules, or its view of the sender, forbid it.",
    "7.2": "The sender may not write to this mailing list.",
    "7.8": "The relay did not accept our user name and password.",
    "7.9": "The relay wants another way of logging in.",
    "7.11": "The relay wants an encrypted connection before we log in.",
    "7.20": "The email has no DKIM signature that holds.",
    "7.21": "The email has no DKIM signature that this server accepts.",
    "7.22": "The DKIM signature is not by the domain of the sender.",
    "7.23": "The domain's SPF record does not allow this server to send its mail.",
    "7.24": "The domain's SPF record could not be checked.",
    "7.25": "The sending server's address has no name in DNS that fits.",
    "7.26": "Neither SPF nor DKIM shows that the sender is genuine.",
    "7.27": "The sender's domain says that it takes no mail, so it may not send any.",
    "7.28": "The server sees a flood of mail and slows it down.",
    "7.29": "The chain of seals (ARC) on the email does not hold.",
    "7.30": "The server takes mail only over an encrypted connection.",
}
_CODES = {
    421: "The server closed the connection; it may be busy or restarting.",
    450: "The recipient's mailbox cannot be reached at the moment.",
    451: "The server had a fault of its own, or wants us to come back later (greylisting).",
    452: "The server has no room at the moment, or has enough recipients for now.",
    454: "The relay could not check our login at the moment.",
    500: "The server did not understand a command.",
    501: "The server did not understand an address.",
    503: "The server expected other commands first.",
    521: "The server takes no mail.",
    530: "The relay wants us to log in or to encrypt first.",
    534: "The relay wants a stronger way of logging in.",
    535: "The relay did not accept our user name and password.",
    538: "The relay wants an encrypted connection before we log in.",
    550: "The recipient's server refused the email; often there is no such mailbox.",
    551: "The recipient's mailbox is not on this server.",
    552: "The email is too large, or the mailbox is full.",
    553: "The server does not allow this address.",
    554: "The server refused the email.",
    556: "The recipient's domain takes no mail.",
}
_SUBJECTS = {
    "1": "Something is wrong with an address.",
    "2": "Something is wrong with the recipient's mailbox.",
    "3": "Something is wrong with the receiving mail system.",
    "4": "The mail could not be brought to the recipient's server.",
    "5": "The two servers did not understand each other.",
    "6": "Something is wrong with the email's content.",
    "7": "A rule of the server forbids the email.",
}
