"""Posting emails to the REST API: an idempotency key for each request, and another try where that makes sense."""

from __future__ import annotations

import base64
import mimetypes
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from hourpost.errors import Fault, Refused, ServiceUnavailable, ValidationFailed

BATCH = 200
_BATCH_BYTES = 20_000_000
_TRIES = 4
_LONGEST_WAIT_SECONDS = 30.0
_TIMEOUT_SECONDS = 60.0
_TRY_AGAIN = (409, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Draft:
    """An email without its recipients, as the API takes it."""

    fields: dict[str, Any]
    size_bytes: int
    missing: tuple[Fault, ...] = ()
    """What must be given before it can be sent."""

    @classmethod
    def read(cls, sender: str, subject: str, text: str | None, html: Path | None, files: list[Path]) -> Draft:
        """Read what the options name. Raises: OSError."""
        fields: dict[str, Any] = {"from": sender, "subject": subject}
        if text is not None:
            fields["text"] = sys.stdin.read() if text == "-" else text
        if html is not None:
            fields["html"] = html.read_text()
        if files:
            fields["attachments"] = [_attachment(file) for file in files]
        size = sum(len(str(value)) for value in fields.values())
        missing = [] if sender else [Fault("/from", "give the sender with --from")]
        if len(fields) == 2:
            missing.append(Fault("/text", "give --text, --html or --attach"))
        return cls(fields, size, tuple(missing))

    def require(self, faults: list[Fault]) -> None:
        """Refuse to send while anything is missing, or ``faults`` are known. Raises: ValidationFailed with all."""
        if self.missing or faults:
            raise ValidationFailed([*self.missing, *faults])

    def to(self, recipients: list[str]) -> dict[str, Any]:
        """The body for one email to all of these."""
        return self.fields | {"to": recipients}

    def batches(self, recipients: list[str]) -> Iterator[list[dict[str, Any]]]:
        """The bodies for one email to each, so many at a time that a request stays small."""
        size = max(1, min(BATCH, _BATCH_BYTES // max(1, self.size_bytes)))
        for start in range(0, len(recipients), size):
            yield [self.to([recipient]) for recipient in recipients[start : start + size]]


class Poster:
    """A client of the API. What was not answered is asked again under the same key, so nothing is sent twice."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._client = httpx.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {api_key}"}, timeout=_TIMEOUT_SECONDS
        )

    def __enter__(self) -> Poster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send one email; gives the API's answer. Raises: ServiceUnavailable, Refused, ValidationFailed."""
        answer: dict[str, Any] = self._request("/v1/emails", body)
        return answer

    def post_batch(self, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Send all of these or none; gives an id for each. Raises: as ``post``."""
        answers: list[dict[str, Any]] = self._request("/v1/emails/batch", bodies)["data"]
        return answers

    def _request(self, path: str, body: object) -> Any:
        key = secrets.token_urlsafe(18)
        for number in range(1, _TRIES + 1):
            try:
                response = self._client.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError as error:
                if number == _TRIES:
                    message = f"The API at {self._client.base_url} does not answer; does `hourpost up` run?"
                    raise ServiceUnavailable(message, cause=repr(error)) from error
                time.sleep(min(2.0**number / 4, _LONGEST_WAIT_SECONDS))
                continue
            if response.status_code not in _TRY_AGAIN or number == _TRIES:
                break
            time.sleep(min(_retry_after(response), _LONGEST_WAIT_SECONDS))
        return _read(response)


def _read(response: httpx.Response) -> Any:
    try:
        answer = response.json()
    except ValueError:
        raise Refused(f"{response.url} answered {response.status_code} and no JSON") from None
    if response.is_success:
        return answer
    faults = [Fault(fault.get("pointer", ""), fault.get("detail", "")) for fault in answer.get("errors") or ()]
    if faults:
        raise ValidationFailed(faults)
    raise Refused(f"{answer.get('message', response.reason_phrase)} ({answer.get('name', response.status_code)})")


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 1.0


def _attachment(file: Path) -> dict[str, str]:
    content = base64.b64encode(file.read_bytes()).decode()
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return {"filename": file.name, "content": content, "content_type": kind}
