"""From the fields of an email to its submission: what concerns several fields, the sender, and the bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from api.web.bodies import Extra
from api.web.breadth import check_fields
from api.web.faults import faults_in, fields_of
from api.web.v1.email_control import NO_CONTROL, Control, read_control
from api.web.v1.email_fields import DRAFT, EMAIL, DraftFields, EmailFields, addresses_in
from hourpost.errors import Fault, Forbidden, MessageTooLarge, ValidationFailed
from hourpost.rules.addresses import Address
from hourpost.rules.control import EXPIRES_AT
from hourpost.rules.ids import new_id, to_message_id
from hourpost.rules.mime import Content, build_message
from hourpost.rules.moments import MomentError, parse_future_moment
from hourpost.rules.submission import (
    MAX_MESSAGE_BYTES,
    MAX_RECIPIENTS,
    OnLimit,
    SendingDomain,
    Standing,
    Submission,
)


@dataclass(slots=True)
class _Understood:
    """What several fields say together, once it is read: moments by the names of fields, and the control headers."""

    moments: dict[str, datetime] = field(default_factory=dict)
    control: Control = NO_CONTROL


def read_email(body: Any, standing: Standing, now: datetime, *, extra: Extra, start: str = "") -> Submission:
    """The submission that a parsed body asks for; ``start`` is the pointer of ``body`` in the whole document.

    Raises:
        ValidationFailed: with everything that is wrong with it.
        Forbidden: nothing else is wrong, but the sender's domain is not one to send from.
        MessageTooLarge: it has more than 40 MB once encoded.
    """
    check_fields(body, start)
    try:
        fields = EMAIL.validate_python(body, extra=extra)
    except ValidationError as error:
        faults = faults_in(error, body, start=start)
        raise ValidationFailed(faults + _faults_of_rest(body, faults, standing, now, start)) from None
    understood = _Understood()
    faults = _faults_between(fields, now, start, understood)
    domain, refusal = _sending_domain(fields.sender, standing, start)
    if faults:
        raise ValidationFailed(faults + (refusal.faults if refusal else []))
    if refusal is not None or domain is None:
        raise refusal or Forbidden("domain_not_verified", "The sender's domain is not verified.")
    return _submission(fields, domain, now, understood, start)


def _faults_of_rest(body: Any, faults: list[Fault], standing: Standing, now: datetime, start: str) -> list[Fault]:
    """What else is wrong, seen once the faulty fields are left out."""
    if not isinstance(body, dict):
        return []
    faulty = fields_of(faults, start=start)
    try:
        rest = DRAFT.validate_python({name: body[name] for name in body if name not in faulty}, extra="ignore")
    except ValidationError:
        return []
    found = _faults_between(rest, now, start, _Understood())
    if rest.from_ is not None:
        refusal = _sending_domain(rest.sender, standing, start)[1]
        found += refusal.faults if refusal else []
    return [fault for fault in found if not faulty & _concerned(fault, start)]


def _concerned(fault: Fault, start: str) -> set[str]:
    """The fields whose faults may be the cause of this one."""
    name = fault.pointer[len(start) + 1 :]
    return {"html", "text"} if name == "text" else {name}


def _faults_between(fields: DraftFields, now: datetime, start: str, understood: _Understood) -> list[Fault]:
    """Faults of several fields together; what was read is left in ``understood``."""
    faults = []
    count = len(fields.to or ()) + len(fields.cc or ()) + len(fields.bcc or ())
    if not fields.to:
        faults.append(Fault(f"{start}/to", "`to` must hold at least one address"))
    if count > MAX_RECIPIENTS:
        detail = f"{count} recipients over `to`, `cc` and `bcc` are more than the {MAX_RECIPIENTS} an email may have"
        faults.append(Fault(f"{start}/to", detail))
    if fields.html is None and fields.text is None:
        faults.append(Fault(f"{start}/text", "`html` or `text` is required", missing=True))
    if fields.control_headers:
        understood.control = control = read_control(fields, now, start)
        faults += control.faults
        moments = {"scheduled_at": control.wishes.scheduled_at, "expires_at": control.wishes.expires_at}
        understood.moments = {name: moment for name, moment in moments.items() if moment is not None}
    if fields.scheduled_at is not None or fields.expires_at is not None:
        faults += _faults_of_moments(fields, now, start, understood.moments)
    return faults


def _faults_of_moments(fields: DraftFields, now: datetime, start: str, moments: dict[str, datetime]) -> list[Fault]:
    faults = []
    for name, text in (("scheduled_at", fields.scheduled_at), ("expires_at", fields.expires_at)):
        if text is None:
            continue
        try:
            moments[name] = parse_future_moment(text, now=now)
        except MomentError as error:
            faults.append(Fault(f"{start}/{name}", f"`{name}`: {error}"))
    if not faults and len(moments) == 2 and moments["expires_at"] <= moments["scheduled_at"]:
        faults.append(_fault_of_order(fields, start))
    return faults


def _fault_of_order(fields: DraftFields, start: str) -> Fault:
    """It expires before it may leave: the fault stands where the end was said, in a field or in a header."""
    if fields.expires_at is not None:
        return Fault(f"{start}/expires_at", "`expires_at` must be later than `scheduled_at`")
    name = next(name for name, _ in fields.control_headers if name.lower() == EXPIRES_AT.lower())
    return Fault(f"{start}/headers/{name}", f"header {EXPIRES_AT}: must be later than `scheduled_at`")


def _sending_domain(
    sender: Address, standing: Standing, start: str
) -> tuple[SendingDomain, None] | tuple[None, Forbidden]:
    domain = standing.sending_domain(sender.domain)
    if domain is not None:
        return domain, None
    place = f"{start}/from"
    if sender.domain in standing.domains:
        detail = f"This API key may not send from {sender.domain}."
        return None, Forbidden("restricted_api_key", detail, faults=[Fault(place, detail)])
    detail = f"The domain {sender.domain} is not verified for this account: add it with POST /v1/domains and verify it."
    return None, Forbidden("domain_not_verified", detail, faults=[Fault(place, detail)])


def _submission(
    fields: EmailFields, domain: SendingDomain, now: datetime, understood: _Understood, start: str
) -> Submission:
    moments, control = understood.moments, understood.control
    email_id = new_id()
    sender = fields.sender
    message_id = to_message_id("em", email_id, sender.domain)
    to, cc, bcc, reply_to = (addresses_in(one) for one in (fields.to, fields.cc, fields.bcc, fields.reply_to))
    content = Content(
        from_=sender,
        to=to,
        cc=cc,
        reply_to=reply_to,
        subject=fields.subject,
        text=fields.text,
        html=fields.html,
        headers=fields.custom_headers,
        attachments=tuple(item.to_attachment() for item in fields.attachments) if fields.attachments else (),
    )
    parts = {"to": [one.text for one in to]}
    for name, addresses in (("cc", cc), ("bcc", bcc), ("reply_to", reply_to)):
        if addresses:
            parts[name] = [one.text for one in addresses]
    return Submission(
        email_id=email_id,
        source="api",
        envelope_from=sender.spec,
        recipients=_once_each([one.spec for one in (*to, *cc, *bcc)]),
        header_from=sender.text,
        from_address=sender.spec.lower(),
        domain_id=domain.id,
        subject=fields.subject,
        message_id=message_id,
        content=_bytes_of(content, message_id, moments.get("scheduled_at", now), start),
        parts=parts,
        tags=_tags_of(fields, control),
        metadata=fields.metadata if control.metadata is None else control.metadata,
        scheduled_at=moments.get("scheduled_at"),
        expires_at=moments.get("expires_at"),
        on_limit=fields.on_limit or control.wishes.on_limit or OnLimit.QUEUE,
        place=start,
    )


def _tags_of(fields: EmailFields, control: Control) -> list[dict[str, str]] | None:
    given = [{"name": tag.name, "value": tag.value} for tag in fields.tags or ()]
    return [*given, *(tag for tag in control.tags if tag not in given)] or None


def _once_each(addresses: list[str]) -> tuple[str, ...]:
    """Nobody gets it twice, and nobody pays for it twice, because an address was once written in capitals."""
    first: dict[str, str] = {}
    for address in addresses:
        first.setdefault(address.lower(), address)
    return tuple(first.values())


def _bytes_of(content: Content, message_id: str, date: datetime, start: str) -> bytes:
    if sum(len(item.content) for item in content.attachments) * 4 // 3 > MAX_MESSAGE_BYTES:
        raise _too_large(content, start)
    written = build_message(content, message_id=message_id, date=date)
    if len(written) > MAX_MESSAGE_BYTES:
        raise _too_large(content, start)
    return written


def _too_large(content: Content, start: str) -> MessageTooLarge:
    """The error, with the field that is most of it."""
    sizes = {
        "attachments": sum(len(item.content) for item in content.attachments),
        "html": len(content.html or ""),
        "text": len(content.text or ""),
    }
    detail = f"The message is larger than {MAX_MESSAGE_BYTES // 1024 // 1024} MB once encoded."
    return MessageTooLarge(detail, faults=[Fault(f"{start}/{max(sizes, key=sizes.__getitem__)}", detail)])
