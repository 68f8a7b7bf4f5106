"""Posting emails to the REST API: an idempotency key for each request, and another try where that makes sense."""

from __future__ import annotations

import secrets
import time
from types import TracebackType
from typing import Any

import httpx

from hourpost.errors import Fault, Refused, ServiceUnavailable, ValidationFailed

_TRIES = 4
_LONGEST_WAIT_SECONDS = 30.0
_TIMEOUT_SECONDS = 60.0
_TRY_AGAIN = (409, 502, 503, 504)


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

    def post(self, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Send one email, under an idempotency key of its own when there is no ``key``; gives the API's answer.

        Raises: ServiceUnavailable, Refused, ValidationFailed.
        """
        answer: dict[str, Any] = self._request("/v1/emails", body, key)
        return answer

    def post_batch(self, bodies: list[dict[str, Any]], key: str | None = None) -> list[dict[str, Any]]:
        """Send all of these or none; gives an id for each. Raises: as ``post``."""
        answers: list[dict[str, Any]] = self._request("/v1/emails/batch", bodies, key)["data"]
        return answers

    def _request(self, path: str, body: object, key: str | None) -> Any:
        key = key or secrets.token_urlsafe(18)
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
    faults = [_fault(one.get("pointer", ""), one.get("detail", "")) for one in answer.get("errors") or ()]
    if faults:
        raise ValidationFailed(faults)
    raise Refused(f"{answer.get('message', response.reason_phrase)} ({answer.get('name', response.status_code)})")


def _fault(pointer: str, detail: str) -> Fault:
    """As it is told; most say by themselves which field they are about."""
    return Fault("" if detail.startswith("`") else pointer, detail)


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 1.0
