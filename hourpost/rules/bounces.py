"""Reports about mail that we sent: bounces and delays (RFC 3464), complaints (RFC 5965), and bounces of older make.

A report names recipients, and returns at least the header of the mail it is about; both may be missing or garbled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from hourpost.rules.incoming import IncomingHeader, header_end
from hourpost.rules.transfer_encoding import decode

_LOOKED_AT_BYTES = 512 * 1024
_MAX_PARTS = 50
_MAX_DEPTH = 4
_MAX_RECIPIENTS = 100
_TEXT_CHARACTERS = 1000
_MAX_ID_TEXT = 20_000
_SAID_CHARACTERS = 64 * 1024

_FIELD = re.compile(r"(?m)^([!-9;-~]{1,80})[ \t]*:([^\r\n]*+(?:\n[ \t][^\r\n]*+|\r\n[ \t][^\r\n]*+)*+)")
_BOUNDARY = re.compile(r"boundary\s*=\s*(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"(?im)^[ \t>]*message-id[ \t]*:\s*(<[^<>\s]{1,250}@[^<>\s]{1,250}>)")
_ID = re.compile(r"<[^<>\s]{1,250}@[^<>\s]{1,250}>")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)[ \-]")
_ADDRESS = re.compile(r"[^\s<>,;:\"()]{1,64}@[^\s<>,;:\"()]{1,255}")
_BLANK_LINE = re.compile(r"\r?\n[ \t]*\r?\n")
# <user@example.com>: and the reason on the next lines, or on the same one (qmail and its kin)
_PARAGRAPH = re.compile(r"(?m)^<([^<>\s]{1,64}@[^<>\s]{1,255})>:[ \t]*(\r?\n)?((?:[^\r\n]+\r?\n?){1,12})")
# What is below a failure and such a line is the mail itself: nothing in it is said about it
_RETURNED_BELOW = re.compile(
    r"(?mi)^(?:[ \t]*+-{3,}+[^\r\n]*?"
    r"(?:\bcopy\b|\boriginal message|\breturned message|\bunsent message|\bmessage header)"
    r"|(?:received|return-path|message-id):)"
)
_SUBJECT = re.compile(
    r"undeliver|delivery (?:status|failure|failed|has failed|problem)|failure notice|mail delivery|returned mail"
    r"|nondeliver|non[- ]delivery|unzustellbar|rejected|could not be delivered",
    re.IGNORECASE,
)
_SUBJECT_OF_DELAY = re.compile(
    r"^(?:warning|delay(?:ed)?|(?:mail )?delivery (?:has been )?delayed)\b|\((?:delay|delayed|warning)\)", re.IGNORECASE
)
_DAEMON = re.compile(
    r"mailer-daemon|postmaster|mail delivery (?:sub)?system|microsoftexchange|(?:mail|system) administrator",
    re.IGNORECASE,
)


class Action(StrEnum):
    """What is reported of a recipient."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    COMPLAINED = "complained"


@dataclass(frozen=True, slots=True)
class Reported:
    """One recipient. ``address`` is as we wrote it, where the report says so; ``other_address`` where it went on to."""

    address: str
    action: Action
    status: str | None = None  # 5.1.1
    code: int | None = None
    text: str = ""  # of a status behind these codes
    other_address: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says; no recipients where only the returned mail tells which it was.

    ``envelope_id`` is what the mail's sender has called it by, where the servers on its way could pass that on
    (RFC 3464 §2.2.1).
    """

    message_id: str  # of the mail it is about, with its angle brackets; empty where it is not said
    recipients: tuple[Reported, ...]
    envelope_id: str = ""


def read_report(raw: bytes, header: IncomingHeader, *, is_null_sender: bool) -> Report | None:
    """The report that a message is, or None: not what people have put into a mail of theirs. Never raises."""
    kind = header.content_type.lower()
    start = header_end(raw)
    is_machine = is_null_sender or _DAEMON.search(header.from_text) is not None
    if kind.startswith("multipart/report" if not is_machine else "multipart/"):
        parts = list(_walk(raw[start : start + _LOOKED_AT_BYTES], header.content_type, 0))
        report = _read_parts(parts, _answered(header))
        if report is not None:
            return report
    if is_machine and _looks_like_bounce(header):
        return _read_plain(raw[start : start + _LOOKED_AT_BYTES], header)
    return None


@dataclass(frozen=True, slots=True)
class _Part:
    kind: str
    text: str


def _walk(body: bytes, content_type: str, depth: int) -> Iterator[_Part]:
    match = _BOUNDARY.search(content_type)
    if match is None or depth > _MAX_DEPTH:
        return
    boundary = re.escape((match[1] or match[2]).encode("utf-8", "replace"))
    pieces = re.split(rb"(?m)^--" + boundary + rb"(?:--)?[ \t]*(?:\r?\n|\Z)", body, maxsplit=_MAX_PARTS)
    for piece in pieces[1:]:
        head, _, rest = piece.partition(b"\r\n\r\n") if not piece.startswith(b"\r\n") else (b"", b"", piece[2:])
        fields = _fields(head.decode("utf-8", "replace") + "\n")
        kind = fields.get("content-type", "text/plain")
        if kind.lower().startswith("multipart/"):
            yield from _walk(rest, kind, depth + 1)
        else:
            content = decode(fields.get("content-transfer-encoding", ""), rest)
            yield _Part(kind.partition(";")[0].strip().lower(), content.decode("utf-8", "replace"))


def _answered(header: IncomingHeader) -> str:
    """The Message-ID that a report refers to in its own header, as Gmail and Exchange write it; else empty."""
    for name in (b"in-reply-to", b"references"):
        found = _find_id((header.find(name) or b"").decode("utf-8", "replace"))
        if found:
            return found
    return ""


def _find_id(text: str) -> str:
    """The last Message-ID in a text."""
    found = _ID.findall(text[:_MAX_ID_TEXT])
    return str(found[-1]) if found else ""


def _read_parts(parts: list[_Part], answered: str) -> Report | None:
    """The report in the parts of a ``multipart/report``, which need not return the mail it is about."""
    returned = next((part.text for part in parts if part.kind in _RETURNED), "")
    message_id = _find_message_id(returned)
    for part in parts:
        if part.kind in ("message/delivery-status", "message/global-delivery-status"):
            found = _with_words(tuple(_read_statuses(part.text)), parts)
            about = _fields(_BLANK_LINE.split(part.text.strip(), 1)[0])
            envelope_id = about.get("original-envelope-id", "")
            message_id = message_id or _find_id(about.get("x-original-message-id", "")) or answered
            return Report(message_id, found, envelope_id) if found or message_id else None
        if part.kind == "message/feedback-report":
            fields = _fields(part.text)
            address = _find_address(fields.get("original-rcpt-to", ""))
            kind = _WORD.search(fields.get("feedback-type", ""))
            text = kind[0][:_TEXT_CHARACTERS] if kind else "abuse"
            found = () if _NO_COMPLAINT.match(text) else (Reported(address, Action.COMPLAINED, text=text),)
            return Report(message_id, found) if message_id else None
    return None


# No wish to get nothing more (RFC 6430, RFC 6591, RFC 5965 §7.3); whatever else there is comes of somebody's complaint
_NO_COMPLAINT = re.compile(r"(?:not-spam|auth-failure|virus|other)\Z|dmarc", re.IGNORECASE)
_WORD = re.compile(r"[\w-]++")
_RETURNED = frozenset({"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"})


def _read_statuses(text: str) -> Iterator[Reported]:
    """The recipients of a delivery status; its first group is about the message (RFC 3464 §2.1)."""
    for group in _BLANK_LINE.split(text.strip())[: _MAX_RECIPIENTS + 1]:
        fields = _fields(group)
        final, original = fields.get("final-recipient", ""), fields.get("original-recipient", "")
        if not final and not original:
            continue
        try:
            action = Action(_ACTIONS.get(fields.get("action", "failed").lower().split(" ")[0], ""))
        except ValueError:  # relayed, expanded, or a word of its own: nothing is known yet
            continue
        diagnostic = _without_type(fields.get("diagnostic-code", ""))[:_TEXT_CHARACTERS]
        status = _STATUS.search(fields.get("status", "")) or _STATUS.search(diagnostic)
        code = _CODE.search(diagnostic + " ")
        meant, reached = _find_address(original), _find_address(final)
        words = _without_codes(diagnostic, code[1] if code else "", status[1] if status else "")
        yield Reported(
            meant or reached, action, status[1] if status else None, int(code[1]) if code else None, words, reached
        )


def _with_words(found: tuple[Reported, ...], parts: list[_Part]) -> tuple[Reported, ...]:
    """What a status leaves out, from the text for people, where Exim says by itself why it has given up."""
    if not any(map(_says_nothing, found)):
        return found
    told = next((part.text for part in parts if part.kind == "text/plain"), "")[:_SAID_CHARACTERS]
    reasons = _reasons(told, list({one.other_address for one in found}))
    return tuple(replace(one, text=_flat(reasons[one.other_address])) if _says_nothing(one) else one for one in found)


def _says_nothing(one: Reported) -> bool:
    is_general = one.status is None or one.status.endswith(".0.0")
    return one.action is Action.FAILED and bool(one.other_address) and is_general and one.code is None and not one.text


_ACTIONS = {"failed": "failed", "failure": "failed", "delayed": "delayed", "delivered": "delivered"}


def _read_plain(body: bytes, header: IncomingHeader) -> Report | None:
    """The report in a bounce that is only text, as qmail and Exim write them; what is only delayed is no failure."""
    text = body.decode("utf-8", "replace")
    message_id = _find_message_id(text) or _answered(header)
    if _SUBJECT_OF_DELAY.search(header.subject):
        return Report(message_id, ()) if message_id else None
    failed = (header.find(b"x-failed-recipients") or b"").decode("ascii", "replace")
    addresses = list(dict.fromkeys(_ADDRESS.findall(failed)[:_MAX_RECIPIENTS]))
    told = text[:_SAID_CHARACTERS]
    below = _RETURNED_BELOW.search(told, _first_failure(told, addresses))
    told = told[: below.start()] if below else told
    reasons = _reasons(told, addresses)
    found = [_failed(address, reasons[address]) for address in addresses]
    if not found:
        paragraphs = _PARAGRAPH.finditer(told)
        found = [_failed(match[1], match[3]) for match, _ in zip(paragraphs, range(_MAX_RECIPIENTS), strict=False)]
    return Report(message_id, tuple(found)) if found or message_id else None


def _first_failure(told: str, addresses: list[str]) -> int:
    """Where one of the addresses that failed is named; where none is known, the first of which a reason is given."""
    if addresses:
        lower = told.lower()
        return min((at for one in addresses if (at := lower.find(one.lower())) >= 0), default=0)
    match = _PARAGRAPH.search(told)
    return match.start() if match else 0


def _reasons(told: str, addresses: list[str]) -> dict[str, str]:
    """What is said of each address in lines from its own on, as far as the next address or an empty line.

    Between an address and its reason there may be such a line, and between an only address and a code several.
    """
    lines: dict[str, list[str]] = {address.lower(): [] for address in addresses}
    current: list[str] | None = None
    has_code = False
    for line in told.splitlines():
        words = line.strip()
        match = _ADDRESS.match(words.lstrip("<*- "))
        if match is not None:
            current, has_code = lines.get(match[0].lower()), False
        elif not words and current is not None and len(current) > 1 and (len(addresses) > 1 or has_code):
            current = None
        if current is not None and words:
            current.append(words)
            has_code = has_code or bool(_STATUS.search(words) or _CODE.search(words + " "))
    return {address: "\n".join(lines[address.lower()]) or _line_with(address, told) for address in addresses}


def _line_with(address: str, told: str) -> str:
    """The rest of the line that names an address; empty where none does."""
    at = told.find(address)
    return told[at:].partition("\n")[0] if at >= 0 else ""


def _failed(address: str, reason: str) -> Reported:
    text = _flat(reason)
    status, code = _STATUS.search(text), _CODE.search(text)
    return Reported(address, Action.FAILED, status[1] if status else None, int(code[1]) if code else None, text)


def _flat(reason: str) -> str:
    return " ".join(reason.split())[:_TEXT_CHARACTERS]


def _looks_like_bounce(header: IncomingHeader) -> bool:
    return _SUBJECT.search(header.subject) is not None or header.find(b"x-failed-recipients") is not None


def _fields(text: str) -> dict[str, str]:
    """Fields by name in lower case, unfolded; of several with one name the first."""
    found: dict[str, str] = {}
    for match in _FIELD.finditer(text):
        found.setdefault(match[1].lower(), " ".join(match[2].split()))
    return found


def _find_message_id(text: str) -> str:
    match = _MESSAGE_ID.search(text[:_LOOKED_AT_BYTES])
    return match[1] if match else ""


def _without_type(value: str) -> str:
    """``smtp; 550 …`` without its type (RFC 3464 §2.3.6)."""
    kind, separator, rest = value.partition(";")
    return rest.strip() if separator and " " not in kind.strip() else value.strip()


def _without_codes(said: str, *codes: str) -> str:
    """What is said behind the codes at its head."""
    for code in filter(None, codes):
        rest = said.removeprefix(code)
        if rest != said and (not rest or rest[0] in " -"):
            said = rest[1:].lstrip()
    return said


def _find_address(value: str) -> str:
    """The address of ``rfc822; user@example.com``."""
    match = _ADDRESS.search(_without_type(value))
    return match[0] if match else ""
