"""A batch: an array of emails, or an object with defaults, emails and a mode."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from api.web.bodies import Extra, parse_json
from api.web.breadth import check_fields
from api.web.errors import MAX_FAULTS, faults_of, status_of
from api.web.faults import faults_in
from api.web.v1.email_reading import read_email
from hourpost.aside import aside
from hourpost.errors import (
    Fault,
    Forbidden,
    HourpostError,
    MessageTooLarge,
    Refused,
    ValidationFailed,
    in_short,
)
from hourpost.rules.submission import MAX_BATCH, Standing, Submission

MAX_BATCH_BYTES = 256 * 1024 * 1024
"""Of all emails of a batch once encoded: what stands in ``defaults`` once may be in each of them."""
_BREATH = 16  # emails, which take a millisecond


class BatchFields(BaseModel):
    """Many emails with what they have in common."""

    model_config = ConfigDict(extra="forbid", title="Batch")

    defaults: dict[str, Any] = Field({}, description="Fields that each email has unless it says otherwise.")
    emails: list[Any]
    mode: Literal["strict", "partial"] | None = Field(
        None, description="`strict` stores all or none, `partial` those without faults."
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be stored, and of a partial batch what is not."""

    submissions: tuple[Submission, ...]
    is_partial: bool
    errors: tuple[dict[str, Any], ...] = ()


_BATCH = TypeAdapter(BatchFields)


async def read_batch(raw: bytes, standing: Standing, now: datetime, *, extra: Extra, validation: str = "") -> Batch:
    """The submissions of a batch; ``validation`` is the header ``x-batch-validation`` (strict or permissive).

    Raises: ValidationFailed with all faults of all emails, or of a strict batch the first thousand; MessageTooLarge; or
    what else is wrong with the first faulty one.
    """
    account_id = standing.account_id
    opened = await aside(len(raw), lambda: _open(parse_json(raw), extra), account_id)
    is_partial = (opened.mode or validation) in ("partial", "permissive")
    if len(opened.emails) > MAX_BATCH or (opened.faults and not opened.emails):
        raise ValidationFailed(list(opened.faults))
    reading = _Reading(opened, standing, now, extra, is_patient=is_partial and not opened.faults)
    for first in range(0, len(opened.emails), _BREATH):
        await aside(opened.size_of(first), partial(reading.read, first), account_id)
        await asyncio.sleep(0)  # a thousand emails take long enough for others to wait
    refused, submissions = reading.refused, reading.submissions
    if opened.faults:
        raise ValidationFailed(
            [*opened.faults, *(fault for _, error in refused for fault in faults_of(error))][:MAX_FAULTS]
        )
    if refused and (not is_partial or not submissions):
        raise _together(refused, reading.left_out)
    return Batch(tuple(submissions), is_partial, _told_each(refused, opened.start))


class _Reading:
    """The emails of a batch, read some at a time; unless it ``is_patient`` it ends where there are faults enough."""

    def __init__(self, opened: _Opened, standing: Standing, now: datetime, extra: Extra, *, is_patient: bool) -> None:
        self._opened = opened
        self._read = partial(read_email, standing=standing, now=now, extra=extra)
        self._most_faults = None if is_patient else MAX_FAULTS
        self._bytes = self._faults = 0
        self.submissions: list[Submission] = []
        self.refused: list[tuple[int, Refused]] = []
        self.left_out = 0

    def read(self, first: int) -> None:
        """Read those from ``first`` on, a breath of them. Raises: MessageTooLarge."""
        for index in range(first, min(first + _BREATH, len(self._opened.emails))):
            if self._most_faults is not None and self._faults >= self._most_faults:
                self.left_out += 1
            else:
                self._read_one(index)

    def _read_one(self, index: int) -> None:
        try:
            email = self._read(self._opened.email(index), start=f"{self._opened.start}/{index}")
        except Refused as error:
            self.refused.append((index, error))
            self._faults += len(faults_of(error))
            return
        self._bytes += len(email.content)
        if self._bytes > MAX_BATCH_BYTES:
            most = f"{MAX_BATCH_BYTES // 1024 // 1024} MB"
            raise MessageTooLarge(f"The emails of the batch are larger than {most} together once encoded.")
        self.submissions.append(email)


def _size_of(email: Any) -> int:
    """How much there is to read in an email as it came, near enough; a file may be a list of its bytes."""
    if not isinstance(email, dict):
        return 0
    files = email.get("attachments")
    files = files if isinstance(files, list) else ()
    inside = [value for one in files if isinstance(one, dict) for value in one.values()] if files else ()
    return sum(len(value) for value in (*email.values(), *inside) if isinstance(value, str | list))


@dataclass(frozen=True, slots=True)
class _Opened:
    """The pointer of the list, the emails, the mode, what is wrong around the emails, and what each has by default."""

    start: str
    emails: list[Any]
    mode: str | None
    faults: tuple[Fault, ...]
    defaults: dict[str, Any] = field(default_factory=dict)

    def email(self, index: int) -> Any:
        """One with its defaults."""
        email = self.emails[index]
        return self.defaults | email if self.defaults and isinstance(email, dict) else email

    def size_of(self, first: int) -> int:
        """How much there is to read in those of a breath as they came, near enough."""
        some = self.emails[first : first + _BREATH]
        return sum(map(_size_of, some)) + (len(some) * _size_of(self.defaults) if self.defaults else 0)


def _open(body: Any, extra: Extra) -> _Opened:
    if isinstance(body, list):
        return _Opened("", body, None, tuple(_faults_of_number("", body)))
    mode, faults = None, []
    check_fields(dict.fromkeys(body) if isinstance(body, dict) else None, "")
    try:
        mode = _BATCH.validate_python(body, extra=extra).mode
    except ValidationError as error:
        faults = faults_in(error, body)
    found = body if isinstance(body, dict) else {}
    emails, defaults = found.get("emails"), found.get("defaults")
    if not isinstance(emails, list):
        return _Opened("/emails", [], mode, tuple(faults))
    faults += _faults_of_number("/emails", emails)
    return _Opened("/emails", emails, mode, tuple(faults), defaults if isinstance(defaults, dict) else {})


def _faults_of_number(start: str, emails: list[Any]) -> list[Fault]:
    if 1 <= len(emails) <= MAX_BATCH:
        return []
    return [Fault(start, f"a batch has 1 to {MAX_BATCH} emails, this one has {len(emails)}")]


def _together(refused: list[tuple[int, Refused]], left_out: int) -> Refused:
    """One error for all that was refused; its message, which is all that many clients show, says of which emails.

    ``left_out`` emails were not looked at any more.
    """
    first = refused[0][1]
    faults = [fault for _, error in refused for fault in faults_of(error)]
    message = in_short([f"emails[{index}]: {fault.detail}" for index, error in refused for fault in faults_of(error)])
    message += f"; the last {left_out} emails were not looked at" if left_out else ""
    if any(error.name != first.name for _, error in refused) or isinstance(first, ValidationFailed):
        return ValidationFailed(faults[:MAX_FAULTS], message)
    if isinstance(first, Forbidden):
        return Forbidden(first.name, message, faults=faults[:MAX_FAULTS])
    return MessageTooLarge(message, faults=faults[:MAX_FAULTS])


def told(one: Submission, error: HourpostError) -> dict[str, Any]:
    """What ``errors`` says of an email that was read well and is refused."""
    return _told(int(one.place.rpartition("/")[2]), error)


def _told_each(refused: list[tuple[int, Refused]], start: str) -> tuple[dict[str, Any], ...]:
    """What ``errors`` says of each that was refused: once ``MAX_FAULTS`` are named, of the others how many they have.

    All of it is sent, and kept with the idempotency key.
    """
    each, count = [], 0
    for index, error in refused:
        faults = faults_of(error)
        each.append(_told(index, error))
        if count >= MAX_FAULTS and len(faults) > 1:
            detail = f"the email has {len(faults):,} faults, and those before it have enough to name them"
            each[-1]["errors"] = [{"pointer": f"{start}/{index}", "detail": detail}]
        count += len(faults)
    return tuple(each)


def _told(index: int, error: HourpostError) -> dict[str, Any]:
    told: dict[str, Any] = {
        "index": index,
        "statusCode": status_of(error),
        "name": error.name,
        "message": error.message,
    }
    faults = faults_of(error)
    if faults:
        told["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults]
    return told
