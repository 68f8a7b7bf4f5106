"""Test events: made up, and in the shape of earnest ones made by the same functions where those take one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hourpost.rules.authentication import Authentication, Dmarc, Signature, Spf
from hourpost.rules.ids import to_text
from hourpost.webhooks.payloads import data_of, moment_of
from hourpost.webhooks.received import Received, describe_received

_NOTHING = UUID(int=0)
_FROM, _TO = "ada@example.net", "support@acme.example"
_LETTER = (
    b"From: Ada <ada@example.net>\r\nTo: support@acme.example\r\nSubject: A test\r\n"
    b'Message-ID: <test@example.net>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b'--b\r\nContent-Type: multipart/alternative; boundary="a"\r\n\r\n'
    b"--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThis is a test.\r\n"
    b"--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>This is a test.</p>\r\n--a--\r\n"
    b'--b\r\nContent-Type: text/csv; name="test.csv"\r\nContent-Disposition: attachment; filename="test.csv"\r\n\r\n'
    b"name,value\r\n--b--\r\n"
)


@dataclass(frozen=True, slots=True)
class _Sample:
    """An event as the rows tell of one, of an email that never was."""

    kind: str
    created_at: datetime
    detail: dict[str, Any]
    email_id: UUID = _NOTHING
    position: int = 0
    message_id: str = "<test@hourpost.example>"
    header_from: str = "Acme <hello@acme.example>"
    subject: str = "A test"
    address: str = _FROM
    tags: tuple[dict[str, str], ...] = ({"name": "kind", "value": "test"},)
    metadata: None = None
    test: bool = True


def sample_of(kind: str, now: datetime) -> dict[str, Any]:
    """The data of a test event of this kind, in the shape of an earnest one; its field ``test`` is true."""
    if kind == "received":
        return describe_received(_mail(now)) | {"test": True}
    if kind == "webhook_disabled":
        return {"webhook_id": to_text("whk", _NOTHING), "endpoint": "https://acme.example/hooks"} | {
            "failing_since": moment_of(now),
            "disabled_at": moment_of(now),
            "test": True,
        }
    return data_of(_Sample(kind, now, _detail(kind, now)))


def _detail(kind: str, now: datetime) -> dict[str, Any]:
    if kind == "replied":
        inbound_id = to_text("in", _NOTHING)
        return {"from": _FROM, "subject": "Re: A test", "message_id": "<test@example.net>", "inbound_id": inbound_id}
    further = {"next_attempt_at": moment_of(now)} if kind == "deferred" else {}
    moment = {"scheduled_at": moment_of(now)} if kind == "scheduled" else {}
    return {"code": 550, "enhanced": "5.1.1", "reply": "No such user here (a test)"} | further | moment


def _mail(now: datetime) -> Received:
    return Received(
        email_id=to_text("in", _NOTHING),
        route_id=to_text("rte", _NOTHING),
        received_at=now,
        envelope_from=_FROM,
        recipient=_TO,
        header_from=f"Ada <{_FROM}>",
        subject="A test",
        message_id="<test@example.net>",
        authentication=Authentication(
            Spf("pass", "example.net"),
            (Signature("pass", "example.net", "s1"),),
            Dmarc("pass", "example.net", "reject"),
        ),
        content=_LETTER,
    )
